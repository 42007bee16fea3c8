"""The server span of each request, as part of the caller's trace where it brought one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from synapse_gateway.exchange import Exchange

_PROPAGATED = (b"traceparent", b"tracestate")


class Spans:
    """Records a span around each request; the calls made meanwhile become its children."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def around(self, exchange: Exchange) -> Iterator[None]:
        """The span of one request. It never holds a prompt, an answer or a key."""
        exchange.traced = True
        known = {
            name.decode(): exchange.headers[name].decode("latin-1") for name in _PROPAGATED if name in exchange.headers
        }
        verb = exchange.scope["method"]
        with self._tracer.start_as_current_span(
            verb, self._propagator.extract(known), SpanKind.SERVER, {"http.request.method": verb}
        ) as span:
            yield
            span.update_name(f"{verb} {exchange.route}")
            span.set_attribute("http.response.status_code", exchange.status)
            span.set_attribute("synapse.request_id", exchange.request_id)
            if exchange.status >= 500:
                span.set_status(StatusCode.ERROR)
