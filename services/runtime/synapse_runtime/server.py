"""Serving gRPC: one handler per service built from its descriptor, with health, reflection and a drain.

A servicer is a plain object with one async method per RPC, in snake_case: `async def embed(request, call)` for unary
RPCs, an async generator for server-streamed ones; a client-streamed one takes an async iterator in place of the request
and reads it at its own pace. Request ids, identity, errors as statuses, metrics and logs are
laid around each method once, when the service is built, and not per call.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import Counter, Gauge, Histogram

from synapse_runtime import tracing
from synapse_runtime.call import Call, CallReader
from synapse_runtime.channel import MESSAGE_OPTIONS
from synapse_runtime.errors import Cancelled, Internal, SynapseError, Unimplemented, to_status
from synapse_runtime.link.served import Links, Method
from synapse_runtime.settings import MeshSettings, TlsSettings, require_loopback_or_secret
from synapse_runtime.tls import Certificates, server_credentials

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_log = logging.getLogger("synapse.rpc")
_RPC_SECONDS = Histogram(
    "synapse_rpc_duration_seconds",
    "Time to serve a gRPC call, streams until their end.",
    ["method", "code"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
_RPC_ERRORS = Counter("synapse_rpc_errors_total", "gRPC calls that ended in an error.", ["method", "reason"])
_RPC_IN_FLIGHT = Gauge("synapse_rpc_in_flight", "gRPC calls being served.", ["method"])
_STOP_SECONDS = 2.0
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Service:
    """A service's descriptor and its servicers: the first that has an RPC's method serves it."""

    def __init__(self, descriptor: ServiceDescriptor, *servicers: object) -> None:
        self.descriptor = descriptor
        self._servicers = servicers

    def function(self, name: str) -> Callable[..., Any] | None:
        """The method of that name, None where no servicer has it."""
        found = (getattr(servicer, name, None) for servicer in self._servicers)
        return next((function for function in found if function is not None), None)


class Serving:
    """A running server: the port it listens on, and what its gRPC health says."""

    def __init__(self, port: int, monitor: Any, names: Sequence[str]) -> None:
        self.port = port
        self.ready = False
        self._monitor = monitor
        self._names = ("", *names)

    async def set_ready(self, ready: bool) -> None:  # noqa: FBT001  # a setter
        """Say on gRPC health whether every service is ready; nothing is until this is called."""
        self.ready = ready
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._monitor.set(name, status)


@asynccontextmanager
async def serving(address: str, services: Sequence[Service], *, mesh: MeshSettings) -> AsyncIterator[Serving]:
    """Serve on `address` (host:port; port 0 picks one) until the block ends; then drain.

    Raises SettingsError when the address is not allowed or `mesh.tls` cannot be used, OSError when the address cannot
    be bound.
    """
    require_loopback_or_secret(address, mesh)
    age = int(mesh.max_connection_age_seconds * 1000)
    options = [
        *MESSAGE_OPTIONS,
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", age),
        ("grpc.max_connection_age_grace_ms", int(mesh.drain_seconds * 1000) + 600_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    server = grpc.aio.server(interceptors=tracing.server_interceptors(), options=options)
    reader = CallReader(mesh.secret.get_secret_value())
    methods: dict[str, Method] = {}
    for service in services:
        own = _methods(service, reader)
        server.add_generic_rpc_handlers((_handlers(service, own),))
        methods.update({f"/{service.descriptor.full_name}/{name}": method for name, method in _linkable(service, own)})
    links = Links(methods)
    server.add_generic_rpc_handlers((links.handler(),))
    names = [service.descriptor.full_name for service in services]
    health_library: Any = health
    monitor = health_library.aio.HealthServicer()
    add_health: Any = health_pb2_grpc.add_HealthServicer_to_server
    add_health(monitor, server)
    reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    running = Serving(_bind(server, address, mesh.tls), monitor, names)
    await running.set_ready(ready=False)
    await server.start()
    _log.info("serving", extra={"address": address, "port": running.port, "services": names})
    try:
        yield running
    finally:
        await monitor.enter_graceful_shutdown()
        links.drain()
        await server.stop(mesh.drain_seconds)


def _bind(server: grpc.aio.Server, address: str, tls: TlsSettings | None) -> int:
    credentials = None if tls is None else server_credentials(Certificates(tls))
    try:
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: is the port in use?") from error
    if not port:
        raise OSError(f"cannot listen on {address}: is the port in use?")
    return port


def _methods(service: Service, reader: CallReader) -> dict[str, Method]:
    methods = {}
    for method in service.descriptor.methods:
        function = service.function(_WORD.sub("_", method.name).lower()) or _missing(method)
        edge = _Edge(f"{service.descriptor.name}/{method.name}", reader)
        if method.client_streaming:
            function = _fed(function)
        methods[method.name] = Method(
            serve=edge.streamed(function) if method.server_streaming else edge.unary(function),
            parse=GetMessageClass(method.input_type).FromString,
            serialise=GetMessageClass(method.output_type).SerializeToString,
            streamed=method.server_streaming,
        )
    return methods


def _handlers(service: Service, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler[Any, Any]:
    handlers = {}
    for name, method in methods.items():
        make = _MAKERS[service.descriptor.methods_by_name[name].client_streaming, method.streamed]
        handlers[name] = make(method.serve, method.parse, method.serialise)
    return grpc.method_handlers_generic_handler(service.descriptor.full_name, handlers)


def _linkable(service: Service, methods: Mapping[str, Method]) -> Iterator[tuple[str, Method]]:
    """The methods that may be called over a link: a link carries one request for each call."""
    known = service.descriptor.methods_by_name
    return ((name, method) for name, method in methods.items() if not known[name].client_streaming)


_MAKERS: dict[tuple[bool, bool], Callable[..., Any]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""gRPC's handlers by whether requests and replies are streamed."""


def _missing(method: MethodDescriptor) -> Callable[..., Any]:
    async def unary(_request: object, _call: Call) -> object:
        raise Unimplemented(f"{method.full_name} is not offered")

    async def streamed(request: object, call: Call) -> AsyncIterator[object]:
        yield await unary(request, call)

    return streamed if method.server_streaming else unary


class _Edge:
    """The outer edge of one RPC: everything that happens around the method."""

    def __init__(self, name: str, reader: CallReader) -> None:
        self._name = name
        self._reader = reader
        self._ok = _RPC_SECONDS.labels(name, "OK")
        self._in_flight = _RPC_IN_FLIGHT.labels(name)

    def unary(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def serve(request: object, context: Context) -> object:
            started = time.perf_counter()
            request_id = ""
            self._in_flight.inc()
            try:
                call = self._reader.read(context)
                request_id = call.request_id
                response = await function(request, call)
            except (Exception, asyncio.CancelledError) as error:
                await self._failed(error, context, started, request_id)
                raise
            finally:
                self._in_flight.dec()
            self._ok.observe(time.perf_counter() - started)
            return response

        return serve

    def streamed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def serve(request: object, context: Context) -> None:
            started = time.perf_counter()
            request_id = ""
            self._in_flight.inc()
            try:
                call = self._reader.read(context)
                request_id = call.request_id
                await _write_all(function(request, call), context)
            except (Exception, asyncio.CancelledError) as error:
                await self._failed(error, context, started, request_id)
                raise
            finally:
                self._in_flight.dec()
            self._ok.observe(time.perf_counter() - started)

        return serve

    async def _failed(self, error: BaseException, context: Context, started: float, request_id: str) -> None:
        """Count and log; abort with the error's status, unless the call was cancelled."""
        known = _known(error)
        _RPC_SECONDS.labels(self._name, known.code.name).observe(time.perf_counter() - started)
        _RPC_ERRORS.labels(self._name, known.reason).inc()
        facts = {"method": self._name, "request_id": request_id, "reason": known.reason}
        if isinstance(known, Internal):
            _log.error("call failed", extra=facts, exc_info=error)
        else:
            _log.debug("call ended in an error", extra=facts)
        if not isinstance(error, asyncio.CancelledError):
            status = to_status(known)
            await context.abort(known.code, known.message, tuple(status.trailing_metadata or ()))


def _fed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A client-streamed method that reads to the end, whatever becomes of it: see `_stop`."""

    async def serve(requests: AsyncIterator[object], call: Call) -> object:
        try:
            response = await function(requests, call)
        except Exception:
            await _stop(requests, call.context)
            raise
        await _stop(requests, call.context)
        return response

    return serve


async def _stop(requests: AsyncIterator[object], context: Context) -> None:
    """Ask who sends to stop, by initial metadata, and pass over what comes until it does, for a moment.

    A status that meets a message on its way is lost: gRPC's Python client then tells of an internal error instead.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await context.send_initial_metadata(())
            async for _ in requests:
                pass


async def _write_all(messages: AsyncIterator[Any], context: Context) -> None:
    """Write a method's messages; its generator is closed at once whatever happens, so that cancels travel on."""
    try:
        async for message in messages:
            await context.write(message)
    finally:
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()


def _known(error: BaseException) -> SynapseError:
    if isinstance(error, SynapseError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("the call was cancelled")
    return Internal("an internal error occurred; the log has it under the request id")
