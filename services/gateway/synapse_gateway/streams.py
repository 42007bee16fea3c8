"""A streamed RPC over REST: as a JSON array, or as JSON lines or events where the client accepts those."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

import orjson
from google.protobuf.message import Message
from starlette.responses import Response, StreamingResponse

from synapse_gateway import lines
from synapse_gateway.errors import to_problem
from synapse_gateway.problems import Problem
from synapse_gateway.transcoding import Binding
from synapse_runtime.errors import SynapseError

PRIVATE = {"cache-control": "private, no-store"}
EVENTS = "text/event-stream"
_UNBUFFERED = {**PRIVATE, "x-accel-buffering": "no"}
_Messages: TypeAlias = AsyncGenerator[Message, None]
_Failure: TypeAlias = Callable[[Problem], bytes]


def accepts_events(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the client names events among what it accepts."""
    return EVENTS.encode() in headers.get(b"accept", b"").lower()


async def streamed(binding: Binding, messages: _Messages, headers: Mapping[bytes, bytes], told: _Failure) -> Response:
    """The reply; its first message comes before the status does. `told` words an error that comes later, in events."""
    first = await anext(messages, None)
    if media_type := lines.type_accepted(headers):
        return StreamingResponse(_lines(binding, first, messages), media_type=media_type, headers=PRIVATE)
    if accepts_events(headers):
        return StreamingResponse(_events(binding, first, messages, told), media_type=EVENTS, headers=_UNBUFFERED)
    return StreamingResponse(_array(binding, first, messages), media_type="application/json", headers=PRIVATE)


async def _lines(binding: Binding, first: Message | None, messages: _Messages) -> AsyncIterator[bytes]:
    """One line for each message, without members that say nothing."""
    async for message in _from(first, messages):
        yield orjson.dumps(binding.reply(message, terse=True), option=orjson.OPT_APPEND_NEWLINE)


async def _array(binding: Binding, first: Message | None, messages: _Messages) -> AsyncIterator[bytes]:
    """One element for each message."""
    yield b"["
    separator = b""
    async for message in _from(first, messages):
        yield separator + orjson.dumps(binding.reply(message))
        separator = b",\n"
    yield b"]\n"


async def _events(binding: Binding, first: Message | None, messages: _Messages, told: _Failure) -> AsyncIterator[bytes]:
    """One event for each message; an error is the last one, for the status has gone out."""
    try:
        async for message in _from(first, messages):
            yield _event(orjson.dumps(binding.reply(message)))
    except SynapseError as error:
        yield _event(told(to_problem(error)))


async def _from(first: Message | None, messages: _Messages) -> AsyncIterator[Any]:
    async with aclosing(messages):
        if first is not None:
            yield first
            async for message in messages:
                yield message


def _event(content: bytes) -> bytes:
    return b"data: " + content + b"\n\n"
