"""The gateway wired up: the only place that knows all its parts."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from opentelemetry import trace

from synapse_gateway import http
from synapse_gateway.adapters.mesh import SERVICES, GrpcMesh
from synapse_gateway.admin import Admin
from synapse_gateway.anthropic.dialects import MESSAGES
from synapse_gateway.anthropic.request import read_count
from synapse_gateway.check import Check
from synapse_gateway.count_tokens import CountTokens
from synapse_gateway.edge import Edge, Endpoint
from synapse_gateway.embeddings import Embeddings
from synapse_gateway.generate import Generate
from synapse_gateway.keys import KeyRing, all_keys
from synapse_gateway.metrics import Metrics
from synapse_gateway.models import Models
from synapse_gateway.openai.dialects import CHAT, COMPLETIONS
from synapse_gateway.ports import Mesh
from synapse_gateway.rerank import Rerank
from synapse_gateway.responses.dialect import INPUT_TOKENS, RESPONSES, read_input_tokens
from synapse_gateway.settings import GatewaySettings
from synapse_gateway.spans import Spans
from synapse_gateway.transcoding import RestMap
from synapse_runtime import tracing
from synapse_runtime.identity import TokenSigner
from synapse_runtime.settings import Config, MeshSettings, SettingsError, TelemetrySettings
from synapse_runtime.tls import Certificates, server_context

_log = logging.getLogger("synapse.gateway")
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True)
class Running:
    """A running gateway: the port it listens on, and that of the check, 0 where it offers none."""

    port: int
    check_port: int = 0


@asynccontextmanager
async def run(config: Config) -> AsyncIterator[Running]:
    """Serve until the block ends; then take no more, and finish what runs within the drain time.

    Raises SettingsError for settings that are wrong or unsafe, OSError when the address cannot be had.
    """
    settings = config.section("gateway", GatewaySettings)
    mesh_settings = config.section("mesh", MeshSettings)
    _require_loopback_or_key(settings, settings.listen)
    async with AsyncExitStack() as stack:
        mesh = GrpcMesh(
            mesh_settings,
            deadline_seconds=settings.request_timeout_seconds,
            admin_seconds=settings.admin_timeout_seconds,
            ready_seconds=settings.ready_timeout_seconds,
            detours=settings.detours,
        )
        stack.push_async_callback(mesh.close)
        listener = stack.enter_context(_listen(settings.listen))
        port = int(listener.getsockname()[1])
        telemetry = config.section("telemetry", TelemetrySettings)
        spans = Spans(trace.get_tracer("synapse.gateway")) if tracing.enabled() else None
        served = edge(settings, mesh, spans=spans, access_log=telemetry.access_log)
        await stack.enter_async_context(_serving(served, listener, mesh_settings.drain_seconds))
        _log.info("serving", extra={"address": settings.listen, "port": port})
        yield Running(port, await stack.enter_async_context(_checking(settings, mesh_settings, served.metrics)))


@asynccontextmanager
async def _checking(settings: GatewaySettings, mesh: MeshSettings, metrics: Metrics) -> AsyncIterator[int]:
    """Serve the check of identities while the block lasts, where it is wanted; yields its port or 0."""
    secret = mesh.secret.get_secret_value()
    if not settings.check_listen:
        yield 0
        return
    if not secret:
        raise SettingsError("gateway.check_listen needs mesh.secret, which signs the identities that it tells")
    _require_loopback_or_key(settings, settings.check_listen)
    check = Check(KeyRing(settings, time.monotonic), TokenSigner(secret), metrics)
    context = None if mesh.tls is None else server_context(Certificates(mesh.tls))
    with _listen(settings.check_listen) as listener:
        async with _serving(check, listener, mesh.drain_seconds, context=context):
            yield int(listener.getsockname()[1])


def edge(settings: GatewaySettings, mesh: Mesh, *, spans: Spans | None = None, access_log: bool = False) -> Edge:
    """The ASGI application over a mesh; `access_log` writes a line for every request."""
    metrics = Metrics()
    limit, ping = settings.max_body_bytes, settings.ping_seconds
    direct: dict[str, Endpoint] = {
        "/v1/chat/completions": Generate(CHAT, mesh, metrics, max_body_bytes=limit, ping_seconds=ping),
        "/v1/completions": Generate(COMPLETIONS, mesh, metrics, max_body_bytes=limit, ping_seconds=ping),
        **_anthropic(mesh, metrics, settings),
        "/v1/responses": Generate(RESPONSES, mesh, metrics, max_body_bytes=limit, ping_seconds=ping),
        "/v1/responses/input_tokens": CountTokens(mesh, read_input_tokens, members=INPUT_TOKENS, max_body_bytes=limit),
        "/v1/embeddings": Embeddings(mesh, metrics, max_body_bytes=limit),
        "/v1/rerank": Rerank(mesh, max_body_bytes=limit, documents_told=True),
        "/v2/rerank": Rerank(mesh, max_body_bytes=limit, documents_told=False),
    }
    rest = RestMap(SERVICES)
    app = http.application(
        mesh=mesh,
        metrics=metrics,
        models=Models(mesh),
        admin=Admin(rest, mesh, metrics, max_body_bytes=limit),
        rest=rest,
        direct=direct,
    )
    public = http.PROBES | http.DOCS | ({http.METRICS} if settings.metrics_public else frozenset())
    keys = KeyRing(settings, time.monotonic)
    return Edge(
        app,
        direct,
        public=public,
        keys=keys,
        metrics=metrics,
        max_concurrent=settings.max_concurrent_requests,
        spans=spans,
        access_log=access_log,
    )


def _anthropic(mesh: Mesh, metrics: Metrics, settings: GatewaySettings) -> dict[str, Endpoint]:
    """Anthropic's endpoints, also where its SDK looks for them when the documented base URL ends in /v1."""
    limit, ping = settings.max_body_bytes, settings.ping_seconds
    answer = Generate(MESSAGES, mesh, metrics, max_body_bytes=limit, ping_seconds=ping)
    count = CountTokens(mesh, read_count, members={}, max_body_bytes=limit)
    roots = ("/v1/messages", "/v1/v1/messages")
    return dict.fromkeys(roots, answer) | {f"{path}/count_tokens": count for path in roots}


class _Server(uvicorn.Server):
    """Uvicorn's server, which leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def _serving(
    app: Any, listener: socket.socket, drain_seconds: float, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(drain_seconds)),
            backlog=_BACKLOG,
            ssl_context_factory=None if context is None else lambda *_default: context,
        )
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn offers nothing to wait for
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def _listen(address: str) -> Iterator[socket.socket]:
    """A bound socket; raises OSError naming the address."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except (OSError, OverflowError) as error:
            raise OSError(f"cannot listen on {address}: {getattr(error, 'strerror', None) or error}") from error
        listener.setblocking(False)
        yield listener
    finally:
        listener.close()


def _require_loopback_or_key(settings: GatewaySettings, address: str) -> None:
    host = address.rpartition(":")[0].strip("[]")
    if all_keys(settings) or host == "localhost":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    raise SettingsError(
        f"refusing to listen on {address} without a key: set gateway.api_key or gateway.keys, or bind 127.0.0.1"
    )
