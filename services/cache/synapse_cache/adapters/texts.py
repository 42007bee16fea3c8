"""What of a request people wrote, and for whom it was sent: what privacy and freshness are judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import ContentPart, Message
    from synapse.llm.v1.request_pb2 import CallerInfo, GenerationRequest

_NAMES_OF_USERS = frozenset(
    {"user", "userid", "username", "enduser", "enduserid", "customer", "customerid", "accountid", "uid", "sub", "email"}
    | {"memberid", "externaluserid", "sessionuser"}
)


def user_texts(request: GenerationRequest) -> Iterator[str]:
    """What users wrote, the newest first: messages of the role user, or the prompt of a completion."""
    for message in reversed(request.messages):
        if message.role == "user":
            yield from _of_message(message)
    yield from request.prompt.texts


def all_texts(request: GenerationRequest) -> Iterator[str]:
    """Every text of a conversation, whoever wrote it, and the arguments of calls; no media, ids and schemas."""
    for message in request.messages:
        yield from _of_message(message)
        yield from (message.refusal, message.reasoning, message.name)
        yield from (call.arguments for call in message.tool_calls)
    yield from request.prompt.texts
    yield request.prompt.suffix


def end_user(caller: CallerInfo) -> str:
    """A digest of the end user whom a request names, in a field of its own or in its metadata; empty for nobody."""
    named = {"user": caller.user, "safety_identifier": caller.safety_identifier, **_named_in(caller.metadata_json)}
    told = {name: value for name, value in named.items() if value}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest() if told else ""


def _of_message(message: Message) -> Iterator[str]:
    if message.HasField("text"):
        yield message.text
    yield from _of_parts(message.parts)


def _of_parts(parts: Iterable[ContentPart]) -> Iterator[str]:
    for part in parts:
        kind = part.WhichOneof("part")
        if kind == "text":
            yield part.text
        elif kind == "refusal":
            yield part.refusal
        elif kind == "thinking":
            yield part.thinking.text
        elif kind == "tool_call":
            yield part.tool_call.arguments
        elif kind == "tool_result":
            yield part.tool_result.text
            yield from _of_parts(part.tool_result.parts)
        elif kind == "opaque_json":
            yield part.opaque_json


def _named_in(metadata_json: str) -> dict[str, str]:
    try:
        members = orjson.loads(metadata_json) if metadata_json else {}
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(members, dict):
        return {}
    plain = {name.lower().replace("_", "").replace("-", ""): value for name, value in members.items()}
    return {f"metadata_{name}": str(value) for name, value in plain.items() if name in _NAMES_OF_USERS and value}
