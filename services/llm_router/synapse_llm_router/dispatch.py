"""Requests given to backends: whole answers, streams, counts of tokens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from opentelemetry import trace

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router import refusals
from synapse_llm_router.attempt import Attempt
from synapse_llm_router.backend import Backend
from synapse_llm_router.ports import Terms
from synapse_llm_router.routing import Route, UnknownModel
from synapse_llm_router.trip import Trip, World
from synapse_runtime.errors import InvalidArgument, SynapseError

T = TypeVar("T")


class Dispatcher:
    """Gives requests to the backends of `world`, each on a trip of its own."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def generate(self, request: GenerationRequest, terms: Terms) -> GenerateResponse:
        """The whole answer to `request`; raises SynapseError."""

        async def ask(attempt: Attempt) -> GenerateResponse:
            return await attempt.backend.upstream.generate(request, attempt.target.model, attempt.terms)

        response, _ = await self._whole(request.model, terms, ask, streamed=False)
        return response

    async def count_tokens(self, request: GenerationRequest, terms: Terms) -> tuple[int | None, Backend]:
        """Tokens of the prompt, None where the backend cannot count, and who was asked; raises SynapseError."""

        async def ask(attempt: Attempt) -> int | None:
            return await attempt.backend.upstream.count_tokens(request, attempt.target.model, attempt.terms)

        return await self._whole(request.model, terms, ask, streamed=None)

    async def stream(self, request: GenerationRequest, terms: Terms) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer to `request` as it comes; raises SynapseError. After the first event nobody else is asked."""
        trip = await self._begin(request.model, terms, streamed=True)
        while True:
            attempt = await trip.next()
            try:
                with attempt:
                    answer = attempt.backend.upstream.stream(request, attempt.target.model, attempt.terms)
                    async with aclosing(answer) as responses:
                        async for response in responses:
                            if not attempt.begun:
                                attempt.answered()
                                _trace(trip, attempt)
                            yield response
            except SynapseError as error:
                if attempt.begun:
                    raise
                await trip.failed(error, attempt.target)
            else:
                return

    async def _whole(
        self, model: str, terms: Terms, ask: Callable[[Attempt], Awaitable[T]], *, streamed: bool | None
    ) -> tuple[T, Backend]:
        trip = await self._begin(model, terms, streamed=streamed)
        while True:
            attempt = await trip.next()
            try:
                with attempt:
                    answer = await ask(attempt)
            except SynapseError as error:
                await trip.failed(error, attempt.target)
            else:
                _trace(trip, attempt)
                return answer, attempt.backend

    async def _begin(self, model: str, terms: Terms, *, streamed: bool | None) -> Trip:
        if not model:
            raise InvalidArgument("you must provide a model parameter", reason="MODEL_MISSING")
        try:
            route: Route = await self._world.route(model)
        except UnknownModel as error:
            raise refusals.unknown(model) from error
        return Trip(self._world, route, terms, streamed=streamed)


def _trace(trip: Trip, attempt: Attempt) -> None:
    """Tell the trace of the call who answered, and at which attempt."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("synapse.router.backend", attempt.backend.name)
        span.set_attribute("synapse.router.model", attempt.target.model)
        span.set_attribute("synapse.router.attempts", trip.attempts)
