"""The generating endpoints: one call to the cache service, answered whole or as a stream."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

import orjson

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.llm.v1 import generation_pb2
from synapse_gateway import controls, outcome
from synapse_gateway.dialect import Asked, Dialect, Stamp, Writer
from synapse_gateway.errors import to_problem
from synapse_gateway.exchange import JSON, Exchange
from synapse_gateway.metrics import Metrics
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence
from synapse_gateway.problems import Headers
from synapse_runtime.errors import Internal, SynapseError

_Messages: TypeAlias = AsyncGenerator[cache_pb2.StreamGenerateResponse, None]
_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"private, no-store, no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Generate:
    """Answers the requests of one dialect."""

    def __init__(
        self, dialect: Dialect, mesh: Mesh, metrics: Metrics, *, max_body_bytes: int, ping_seconds: float
    ) -> None:
        self.route = dialect.route
        self._dialect = dialect
        self._mesh = mesh
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._ping_seconds = ping_seconds

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        asked = self._dialect.read(await exchange.body(self._max_body_bytes), exchange.headers)
        exchange.known_account.require_model(asked.request.model)
        if (key := controls.provider_key(exchange.headers)) is not None:
            asked.request.caller.provider_key = key
        control = controls.read(exchange.headers)
        tell = asked.tell_outcome or controls.wants_metadata(exchange.headers)
        if asked.stream:
            await self._stream(exchange, asked, control, tell=tell)
        else:
            await self._whole(exchange, asked, control, tell=tell)

    async def _whole(
        self, exchange: Exchange, asked: Asked, control: outcome_pb2.CacheControl | None, *, tell: bool
    ) -> None:
        request = cache_pb2.GenerateRequest(request=asked.request, control=control)
        with Presence(exchange):
            response = await self._mesh.generate(request, exchange.caller)
        if not response.HasField("generation"):
            await self._preview(exchange, response.outcome)
            return
        self._metrics.outcome(response.outcome)
        _charge(exchange, response.outcome, response.generation.usage.total_tokens)
        body = self._dialect.whole(response.generation, asked, _stamp(response.outcome, tell=tell))
        await exchange.reply(200, body, [JSON, *outcome.headers(response.outcome)])

    async def _stream(
        self, exchange: Exchange, asked: Asked, control: outcome_pb2.CacheControl | None, *, tell: bool
    ) -> None:
        request = cache_pb2.StreamGenerateRequest(request=asked.request, control=control)
        stream = self._mesh.stream_generate(request, exchange.caller)
        with Presence(exchange, ping=self._dialect.ping, ping_seconds=self._ping_seconds) as presence:
            async with aclosing(stream) as messages:
                told, events = await _opening(messages)
                if not events:
                    await self._preview(exchange, told)
                    return
                self._metrics.outcome(told)
                await exchange.begin(200, [*_EVENT_STREAM, *outcome.headers(told)])
                stamp = _stamp(told, tell=tell)
                writer = self._dialect.writer(asked, stamp)
                piece = writer.render(events)
                if not stamp.fresh:
                    presence.wrote()
                    await exchange.write(piece)
                    piece = b""
                await self._forward(exchange, presence, writer, messages, held=piece)
        _charge(exchange, told, writer.total_tokens)

    async def _forward(
        self, exchange: Exchange, presence: Presence, writer: Writer, messages: _Messages, *, held: bytes
    ) -> None:
        """Write the rest of a stream as it comes; a failure is its last event, for the status has gone out.

        `held` is the beginning of a stored answer: its end is on its way, so both are written at once.
        """
        try:
            async for message in messages:
                piece = held + writer.render(message.events)
                held = b""
                if piece:
                    presence.wrote()
                    await exchange.write(piece)
        except SynapseError as error:
            problem = to_problem(error)
            self._metrics.error(problem.fault)
            await exchange.end(held + writer.failure(problem))
        else:
            await exchange.end(held + writer.finish())

    async def _preview(self, exchange: Exchange, told: outcome_pb2.Outcome) -> None:
        """The reply to a preview that missed: what the cache would do, and no answer."""
        body = orjson.dumps({"object": "synapse.preview", "synapse_metadata": outcome.metadata(told)})
        await exchange.reply(200, body, [JSON, *outcome.headers(told, answered=False)])


async def _opening(messages: _Messages) -> tuple[outcome_pb2.Outcome, Sequence[generation_pb2.GenerationEvent]]:
    """The outcome and the first events; none when the stream ends before any.

    The status goes out only then, so that a backend's refusal keeps its own.
    """
    told = None
    async for message in messages:
        told = message.outcome if told is None else told
        if message.events:
            return told, message.events
    if told is None:
        raise Internal("the cache service ended a stream without an outcome")
    return told, ()


def _stamp(told: outcome_pb2.Outcome, *, tell: bool) -> Stamp:
    return Stamp(now=int(time.time()), fresh=outcome.is_hit(told), metadata=outcome.metadata(told) if tell else None)


def _charge(exchange: Exchange, told: outcome_pb2.Outcome, total_tokens: int) -> None:
    """Charge what a backend used to the key's limit; a hit is free, and a shared call is paid by who began it."""
    if not outcome.is_hit(told) and not told.collapsed:
        exchange.known_account.meter.used(total_tokens, time.monotonic())
