"""The canonical form of a question: the bytes under the exact key and under the scope.

It is protobuf's deterministic serialisation of the request with

- what cannot change the answer taken out: the fields named in LEFT_OUT; the hint `cache_control`; `protocol` where no
  unknown member, beta or foreign part depends on it;
- every `*_json` member, and the arguments of tool calls, rewritten with sorted member order and no white space;
- the ways to say the same thing made one: one choice asked for or none said, a bare stop text or a list of one, a
  bare text or a list of one text part, a data URL or its base64 data, no text or an empty one beside tool calls,
  either name of the limit of tokens.

Fields that are not set take no part, so a field added to the protos later leaves the keys of older requests alone.
Unknown protobuf fields are kept by the serialisation and so are part of the key.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import orjson
from google.protobuf.descriptor import FieldDescriptor

from synapse.llm.v1.content_pb2 import ContentPart, Media, ToolCall
from synapse.llm.v1.request_pb2 import (
    GENERATION_KIND_CHAT,
    GENERATION_KIND_UNSPECIFIED,
    GenerationRequest,
)

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
    from google.protobuf.message import Message

    from synapse.llm.v1 import content_pb2

LEFT_OUT = frozenset(
    f"synapse.llm.v1.CallerInfo.{name}"
    for name in (
        *("user", "safety_identifier", "metadata_json", "store", "service_tier", "prompt_cache_key", "provider_key"),
    )
)
"""Every field that cannot change the answer; one added to the protos is part of the key until it stands here."""

_LONG_NUMBER = re.compile(r"\d{19}")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")
_HINT = "cache_control"
_OWN_WORDS = frozenset({"extra_json", "opaque_json", "raw_json"})
"""Fields of JSON in the words of one protocol; the others mean the same in all of them."""


def canonical(request: GenerationRequest) -> GenerationRequest:
    """A copy of `request` in which equal questions are equal, whatever their member order and protocol."""
    copy = GenerationRequest()
    copy.CopyFrom(request)
    _leave_out(copy)
    if copy.kind == GENERATION_KIND_UNSPECIFIED:
        copy.kind = GENERATION_KIND_CHAT
    foreign = _plain_json(copy)
    if copy.HasField("sampling"):
        _plain_sampling(copy)
    for message in copy.messages:
        _plain_message(message)
    if not (foreign or copy.betas):
        copy.ClearField("protocol")
    return copy


def serialise(request: GenerationRequest) -> bytes:
    """The bytes of a request in canonical form."""
    return request.SerializeToString(deterministic=True)


def sorted_json(text: str) -> str:
    """`text` with sorted members and no white space; as it is when it is not JSON; empty for an empty object."""
    if _LONG_NUMBER.search(text):  # beyond what the fast parser keeps exactly
        try:
            return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), allow_nan=False)
        except ValueError:
            return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return "" if value == {} else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _leave_out(copy: GenerationRequest) -> None:
    if not copy.HasField("caller"):
        return
    caller: Message = copy.caller
    for field, _ in caller.ListFields():
        if field.full_name in LEFT_OUT:
            caller.ClearField(field.name)
    if not caller.ByteSize():
        copy.ClearField("caller")


def _plain_sampling(copy: GenerationRequest) -> None:
    sampling = copy.sampling
    sampling.ClearField("stop_is_text")
    if sampling.choice_count == 1:
        sampling.ClearField("choice_count")
    if sampling.HasField("max_completion_tokens") and not sampling.HasField("max_tokens"):
        sampling.max_tokens = sampling.max_completion_tokens
        sampling.ClearField("max_completion_tokens")
    if not sampling.ListFields():
        copy.ClearField("sampling")


def _plain_message(message: content_pb2.Message) -> None:
    if message.parts:
        _plain_parts(message.parts)
        if not message.HasField("text") and (text := _bare_text(message.parts)) is not None:
            message.text = text
            message.ClearField("parts")
    if message.tool_calls and message.HasField("text") and not message.text:
        message.ClearField("text")


def _plain_parts(parts: RepeatedCompositeFieldContainer[ContentPart]) -> None:
    for part in parts:
        kind = part.WhichOneof("part")
        if kind in {"image", "audio", "file", "video"}:
            _plain_media(getattr(part, kind))
        elif kind == "tool_result" and part.tool_result.parts:
            result = part.tool_result
            _plain_parts(result.parts)
            if not result.HasField("text") and (text := _bare_text(result.parts)) is not None:
                result.text = text
                result.ClearField("parts")


def _bare_text(parts: RepeatedCompositeFieldContainer[ContentPart]) -> str | None:
    """The one text that `parts` are; None when they are more than that."""
    if len(parts) == 1 and parts[0].WhichOneof("part") == "text" and not parts[0].extra_json:
        return parts[0].text
    return None


def _plain_media(media: Media) -> None:
    """A data URL as the data that it carries."""
    found = _DATA_URL.match(media.url)
    if found is not None and media.media_type in {"", found[1]}:
        data = media.url[found.end() :]
        media.media_type = found[1]
        media.base64_data = data


def _without_hint(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        value.pop(_HINT, None)
    return json.dumps(value) if value else ""


def _plain_json(message: Message) -> bool:
    """Bring every JSON text in `message` into one form; whether there is one that only its own protocol understands."""
    foreign = False
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                foreign = _plain_json(inner) or foreign
        elif field.name.endswith("_json"):
            own_words = field.name in _OWN_WORDS
            text = sorted_json(_without_hint(value) if own_words and _HINT in value else value)
            setattr(message, field.name, text)
            foreign = foreign or (own_words and bool(text))
    if isinstance(message, ToolCall):
        message.type = message.type or "function"
        message.arguments = sorted_json(message.arguments) or "{}"
    return foreign
