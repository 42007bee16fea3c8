"""Asking the adapter of a backend directly, without the router around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from synapse.llm.v1.generation_pb2 import Generation, GenerationEvent
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import ProviderError, StreamGenerateResponse
from synapse_llm_router.adapters.build import upstream_of
from synapse_llm_router.ports import Terms, Upstream
from synapse_llm_router.settings import BackendSettings
from synapse_runtime.errors import SynapseError
from tests.support.http_double import HttpDouble

TERMS = Terms(remaining_seconds=None, request_id="req_1")
SIZES = {"max_response_bytes": 200_000, "max_event_bytes": 50_000}
BOUNDS = {"first_byte_seconds": 1.2, "between_events_seconds": 0.3, "total_seconds": 2.0, "connect_seconds": 0.5}


@asynccontextmanager
async def asking(double: HttpDouble, **settings: Any) -> AsyncIterator[Upstream]:
    """The adapter of a backend that is `double`."""
    known = {"name": "double", "endpoint": double.url, "models": ["m"], **settings}
    upstream = upstream_of(BackendSettings.model_validate(known))
    try:
        yield upstream
    finally:
        await upstream.close()


async def whole(upstream: Upstream, request: GenerationRequest) -> Generation:
    """The whole answer."""
    return (await upstream.generate(request, request.model, TERMS)).generation


async def responses(upstream: Upstream, request: GenerationRequest) -> list[StreamGenerateResponse]:
    """The streamed answer as it came."""
    return [response async for response in upstream.stream(request, request.model, TERMS)]


async def events(upstream: Upstream, request: GenerationRequest) -> list[GenerationEvent]:
    """The events of the streamed answer."""
    return [event for response in await responses(upstream, request) for event in response.events]


def text_of(told: Iterable[GenerationEvent]) -> str:
    """The text that the events tell."""
    return "".join(delta.content for event in told for delta in event.deltas)


async def failure(upstream: Upstream, request: GenerationRequest, *, streamed: bool) -> tuple[SynapseError, str]:
    """How the question fails, and the text that came before."""
    said = ""
    try:
        if not streamed:
            await upstream.generate(request, request.model, TERMS)
        async for response in upstream.stream(request, request.model, TERMS):
            said += text_of(response.events)
    except SynapseError as error:
        return error, said
    raise AssertionError("the question was answered")


def provider_error(error: SynapseError) -> ProviderError | None:
    """What the backend said itself."""
    return next((detail for detail in error.details if isinstance(detail, ProviderError)), None)
