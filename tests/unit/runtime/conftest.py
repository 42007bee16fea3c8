"""A served router and stubs of it, over loopback."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from synapse.router.v1 import router_pb2_grpc
from synapse_runtime.channel import open_channel
from synapse_runtime.server import Service, serving
from tests.unit.runtime.mesh import DESCRIPTOR, OPEN, Router


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture(params=["by itself", "over a link"])
async def open_mesh(request, stack):
    """Serves a servicer; returns a stub of it, and what serves it. Calls travel in both ways that there are."""
    linked = request.param == "over a link"

    async def start(servicer, mesh=OPEN, *, retries=True):
        running = await stack.enter_async_context(serving("127.0.0.1:0", [Service(DESCRIPTOR, servicer)], mesh=mesh))
        channel = await stack.enter_async_context(
            open_channel(f"127.0.0.1:{running.port}", retries=retries, linked=linked)
        )
        assert not linked or await channel.link_ready()
        return router_pb2_grpc.RouterServiceStub(channel), running, channel

    return start


@pytest.fixture
def router():
    return Router()
