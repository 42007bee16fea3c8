"""The llm-router put together: backends, catalog, gRPC server and probes out of the settings."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from synapse.router.v1 import router_pb2
from synapse_llm_router.adapters.build import upstream_of
from synapse_llm_router.adapters.measured import MeasuredUpstream
from synapse_llm_router.catalog import Catalog
from synapse_llm_router.ports import Upstream
from synapse_llm_router.routing import Offer, Routes, models_of
from synapse_llm_router.rpc import RouterServicer
from synapse_llm_router.settings import RouterSettings
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
    settings = config.section("router", RouterSettings)
    mesh = config.section("mesh", MeshSettings)
    if not settings.backends:
        _log.warning("no backend is configured: every model is unknown")
    async with AsyncExitStack() as stack:
        upstreams = {}
        for backend in settings.backends:
            upstream = upstream_of(backend)
            stack.push_async_callback(upstream.close)
            upstreams[backend.name] = upstream
        measured = {name: MeasuredUpstream(upstream) for name, upstream in upstreams.items()}
        providers = {backend.name: backend.provider for backend in settings.backends}
        servicer = RouterServicer(catalog_of(settings, upstreams), measured, providers)
        service = Service(router_pb2.DESCRIPTOR.services_by_name["RouterService"], servicer)
        server = await stack.enter_async_context(serving(settings.listen, [service], mesh=mesh))
        probes_port = stack.enter_context(probes(settings.probes, ready=lambda: server.ready))
        await server.set_ready(ready=True)
        yield Running(server.port, probes_port, server)


def catalog_of(settings: RouterSettings, upstreams: dict[str, Upstream]) -> Catalog:
    """The catalog of the configured backends: those without a list of their own are asked for it."""
    offers = [Offer(backend.name, models_of(backend.models), backend.wildcard) for backend in settings.backends]
    listers = {
        offer.backend: upstreams[offer.backend].list_models for offer in offers if offer.wildcard or offer.discovers
    }
    return Catalog(Routes(offers, default_backend=settings.default_backend), listers, clock=time.time)
