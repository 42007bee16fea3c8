"""A router in this process, its double, and questions to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import pytest

from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI, GenerationRequest
from synapse.router.v1.router_pb2 import ProviderError
from synapse.router.v1.router_pb2_grpc import RouterServiceStub
from synapse_llm_router import app
from synapse_runtime.channel import open_channel
from synapse_runtime.errors import from_rpc_error
from synapse_runtime.settings import Config
from tests.support.llama_server import llama_server
from tests.support.openai_upstream import OpenAIDouble, openai_double

__all__ = ["llama_server"]
Stub: TypeAlias = Any
"""The asynchronous stub of RouterService; the generated class is typed as the synchronous one."""


@asynccontextmanager
async def router_of(*backends: dict[str, Any], **settings: Any) -> AsyncIterator[Stub]:
    """A stub of a router with these backends, which asks once unless `settings` say otherwise."""
    where = {"listen": "127.0.0.1:0", "probes": "127.0.0.1:0"}
    section = {**where, "backends": list(backends), "retries": {"max_retries": 0}, **settings}
    config = Config({"router": section, "mesh": {"drain_seconds": 1}}, origin="test")
    async with app.run(config) as running:
        channel = open_channel(f"127.0.0.1:{running.port}", retries=False)
        try:
            yield RouterServiceStub(channel)
        finally:
            await channel.close(grace=None)


def backend(double: OpenAIDouble, **settings: Any) -> dict[str, Any]:
    """Settings of a backend that is `double`."""
    return {"name": "double", "endpoint": double.url, "models": ["m"], **settings}


def question(text: str = "Hello?", *, model: str = "m") -> GenerationRequest:
    """A chat request of one user message."""
    request = GenerationRequest(model=model, protocol=PROTOCOL_OPENAI)
    request.messages.add(role="user", text=text)
    return request


@pytest.fixture
async def double() -> AsyncIterator[OpenAIDouble]:
    async with openai_double() as running:
        yield running


SIZES = {"max_response_bytes": 200_000, "max_event_bytes": 50_000}
BOUNDS = {"first_byte_seconds": 1.2, "between_events_seconds": 0.3, "total_seconds": 2.0, "connect_seconds": 0.5}


@pytest.fixture
async def stub(double: OpenAIDouble) -> AsyncIterator[Stub]:
    async with router_of(backend(double, **SIZES)) as running:
        yield running


@pytest.fixture
async def impatient(double: OpenAIDouble) -> AsyncIterator[Stub]:
    """A router that waits for nothing longer than two seconds."""
    async with router_of(backend(double, **SIZES, **BOUNDS)) as running:
        yield running


def details_of(error: grpc.aio.AioRpcError) -> Any:
    """The error as one of our tree, with its ProviderError (None where there is none) under `.provider`."""
    known: Any = from_rpc_error(error)
    known.provider = None
    for packed in known.details:
        found = ProviderError()
        if packed.Unpack(found):
            known.provider = found
    return known
