"""Anthropic's message requests to the canonical form, losing nothing.

Members without a field of their own, such as `container` or `mcp_servers`, are kept as JSON text in `extra_json` of
their level. A null is the same as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.llm.v1 import request_pb2
from synapse_gateway.anthropic.checks import array, boolean, need, take, text, wrong
from synapse_gateway.anthropic.fields import FIELDS
from synapse_gateway.anthropic.turns import turn
from synapse_gateway.body import read_object
from synapse_gateway.dialect import Asked
from synapse_runtime import jsontext


def read_messages(raw: bytes, headers: Mapping[bytes, bytes]) -> Asked:
    """A request for an answer; raises Problem 400."""
    body = read_object(raw)
    if body.get("max_tokens") is None:
        raise wrong("max_tokens", "Field required")
    stream = take(body, "stream", boolean, "")
    tell_outcome = take(body, "synapse_metadata", boolean, "")
    return Asked(_request(body, headers), stream=bool(stream), tell_outcome=bool(tell_outcome))


def read_count(raw: bytes, headers: Mapping[bytes, bytes]) -> request_pb2.GenerationRequest:
    """A request for the number of tokens of a prompt; raises Problem 400."""
    return _request(read_object(raw), headers)


def _request(body: dict[str, Any], headers: Mapping[bytes, bytes]) -> request_pb2.GenerationRequest:
    request = request_pb2.GenerationRequest(
        model=need(body, "model", text, ""),
        kind=request_pb2.GENERATION_KIND_CHAT,
        protocol=request_pb2.PROTOCOL_ANTHROPIC,
        betas=_betas(headers),
    )
    if not request.model:
        raise wrong("model", "String should have at least 1 character")
    turns = need(body, "messages", array, "")
    if not turns:
        raise wrong("messages", "at least one message is required")
    for number, value in enumerate(turns):
        request.messages.extend(turn(value, f"messages.{number}"))
    body.pop("session_id", None)  # groups requests for the caller; it changes no answer and goes nowhere
    _fields(body, request)
    return request


def _fields(body: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    extra = {}
    for name, value in body.items():
        put = FIELDS.get(name)
        if put is None:
            extra[name] = value
        elif value is not None and (left := put(request, value, name)) is not None:
            extra[name] = left
    if extra:
        request.extra_json = jsontext.dump(extra)


def _betas(headers: Mapping[bytes, bytes]) -> list[str]:
    given = headers.get(b"anthropic-beta", b"").decode("latin-1")
    return [beta for name in given.split(",") if (beta := name.strip())]
