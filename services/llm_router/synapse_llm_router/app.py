"""The llm-router put together: backends, their renewal, gRPC server and probes out of the settings."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from synapse.router.v1 import router_pb2
from synapse_llm_router.adapters.configuration import loaded
from synapse_llm_router.adapters.fleets import Fleets
from synapse_llm_router.adapters.reloading import Reloader
from synapse_llm_router.rpc import RouterServicer
from synapse_runtime.background import background
from synapse_runtime.probes import probes
from synapse_runtime.server import Service, Serving, serving
from synapse_runtime.settings import Config, MeshSettings

_log = logging.getLogger("synapse.router")


@dataclass(frozen=True)
class Running:
    """A running llm-router: its gRPC port and the port of its probes."""

    port: int
    probes_port: int
    _serving: Serving

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self._serving.ready


@asynccontextmanager
async def run(config: Config) -> AsyncIterator[Running]:
    """Serve until the block ends; raises SettingsError for wrong settings, OSError for an address in use."""
    first = loaded(config)
    settings = first.settings
    mesh = config.section("mesh", MeshSettings)
    if not settings.backends:
        _log.warning("no backend is configured: every model is unknown")
    async with AsyncExitStack() as stack:
        fleets = await stack.enter_async_context(Fleets(first))
        reloader = Reloader(first, fleets, clock=time.time)
        servicer = RouterServicer(fleets.in_use, reloader)
        service = Service(router_pb2.DESCRIPTOR.services_by_name["RouterService"], servicer)
        server = await stack.enter_async_context(serving(settings.listen, [service], mesh=mesh))
        probes_port = stack.enter_context(probes(settings.probes, ready=lambda: server.ready))
        await stack.enter_async_context(background(configuration=reloader.watch))
        await server.set_ready(ready=True)
        yield Running(server.port, probes_port, server)
