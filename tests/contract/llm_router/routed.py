"""Two doubles behind one model, and short ways to ask a router for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, backend, details_of, question, router_of
from tests.support.openai_upstream import OpenAIDouble, openai_double

QUICK = {"max_retries": 2, "base_seconds": 0.01}


class Pair:
    """A router with the backends a and b for the model m, in this order."""

    def __init__(self, stub: Stub, a: OpenAIDouble, b: OpenAIDouble) -> None:
        self.stub = stub
        self.a = a
        self.b = b

    async def asked(self, *, streamed: bool = False, **settings: Any) -> str:
        """Name of the backend that answers."""
        return await asked(self.stub, streamed=streamed, **settings)


@asynccontextmanager
async def pair(
    a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Pair]:
    """The pair with these settings of the two backends and of the router."""
    async with openai_double() as first, openai_double() as second:
        backends = backend(first, name="a", **(a or {})), backend(second, name="b", **(b or {}))
        async with router_of(*backends, **settings) as stub:
            yield Pair(stub, first, second)


async def asked(stub: Stub, *, streamed: bool = False, model: str = "m", seconds: float | None = 20) -> str:
    """Name of the backend that answers."""
    request = question(model=model)
    if not streamed:
        return str((await stub.Generate(wire.GenerateRequest(request=request), timeout=seconds)).origin.backend)
    names = [
        response.origin.backend
        async for response in stub.StreamGenerate(wire.StreamGenerateRequest(request=request), timeout=seconds)
    ]
    return str(names[0])


async def refusal(stub: Stub, **how: Any) -> Any:
    """The error that asking ends in."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked(stub, **how)
    return details_of(caught.value)


async def backends_of(stub: Stub) -> dict[str, wire.Backend]:
    """How the backends are doing, by name."""
    response = await stub.GetBackends(wire.GetBackendsRequest())
    return {one.name: one for one in response.backends}


async def until(condition: Callable[[], Any], *, seconds: float = 5) -> None:
    """Wait until `condition()` holds (it may be a coroutine function)."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = condition()
        if (await found) if asyncio.iscoroutine(found) else found:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")
