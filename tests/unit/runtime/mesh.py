"""A servicer that does what a test tells it, and what tests need around it."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from synapse.router.v1 import router_pb2
from synapse_runtime import errors
from synapse_runtime.channel import own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.settings import MeshSettings

DESCRIPTOR = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
ACME = Identity("acme", "key-1", Role.OPERATOR)
OPEN = MeshSettings(drain_seconds=5)
SECRET = MeshSettings(drain_seconds=5, secret=SecretStr("s"))


def models(*ids):
    return router_pb2.ListModelsResponse(models=[router_pb2.Model(id=each) for each in ids])


class Router:
    """A servicer whose methods do what a test gives it."""

    def __init__(self):
        self.calls = []
        self.cancelled = asyncio.Event()
        self.entered = asyncio.Event()
        self.proceed = asyncio.Event()
        self.error = None

    async def list_models(self, request, call):
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return models("a/b")

    async def generate(self, request, call):
        self.calls.append(call)
        await self._wait()
        return router_pb2.GenerateResponse(origin=router_pb2.Origin(backend="late"))

    async def stream_generate(self, request, call):
        self.calls.append(call)
        for number in range(3):
            yield router_pb2.StreamGenerateResponse(origin=router_pb2.Origin(backend=str(number)))
        if self.error is not None:
            raise self.error
        await self._wait()

    async def _wait(self):
        self.entered.set()
        try:
            await self.proceed.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def failure(awaitable):
    """The error of our own tree that `awaitable` ends in."""
    with pytest.raises(errors.SynapseError) as raised, own_errors():
        await awaitable
    return raised.value
