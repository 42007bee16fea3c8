"""OpenTelemetry traces; everything here does nothing until `start` is given an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from synapse_runtime.settings import TelemetrySettings


def start(service: str, settings: TelemetrySettings) -> Callable[[], None]:
    """Send traces of `service` to the OTLP endpoint of the settings; returns what flushes them at the end.

    The SDK is imported only here: without an endpoint it costs neither time nor memory.
    """
    if not settings.otlp_endpoint:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"synapse-{service}", "service.namespace": "synapse"}),
        sampler=ParentBasedTraceIdRatio(settings.trace_sample_ratio),
    )
    insecure = not settings.otlp_endpoint.startswith("https")
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def enabled() -> bool:
    """Whether `start` was given an endpoint in this process."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def server_interceptors() -> list[Any]:
    """Interceptors that record spans of served calls; none when tracing is off."""
    if not enabled():
        return []
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    make: Any = aio_server_interceptor
    return [make(filter_=filters.negate(filters.health_check()))]


def client_interceptors() -> list[Any]:
    """Interceptors that record spans of outgoing calls; none when tracing is off."""
    if not enabled():
        return []
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    make: Any = aio_client_interceptors
    return list(make())
