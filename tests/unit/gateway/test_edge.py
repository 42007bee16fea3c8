"""The edge around any endpoint: spans, access lines, and what breaks inside."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from synapse_gateway.edge import Edge
from synapse_gateway.exchange import Exchange
from synapse_gateway.keys import KeyRing
from synapse_gateway.metrics import Metrics
from synapse_gateway.settings import GatewaySettings
from synapse_gateway.spans import Spans

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Endpoint:
    """Answers as it is told, and keeps the caller that it saw."""

    route = "chat"

    def __init__(self, fail_after: int | None = None) -> None:
        self.traceparents: list[str | None] = []
        self._fail_after = fail_after

    async def __call__(self, exchange: Exchange) -> None:
        self.traceparents.append(exchange.caller.traceparent)
        if self._fail_after == 0:
            raise ZeroDivisionError
        await exchange.begin(200, [])
        if self._fail_after == 1:
            raise ZeroDivisionError
        await exchange.end(b"ok")


async def served(endpoint: Endpoint, **edge: Any) -> list[dict[str, Any]]:
    """What goes out for one request."""
    keys = KeyRing(GatewaySettings(), lambda: 0.0)
    app = Edge(None, {"/x": endpoint}, public=frozenset(), keys=keys, metrics=Metrics(), max_concurrent=1, **edge)
    out: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        out.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [(b"traceparent", PARENT.encode())]}
    await app(scope, receive, send)
    return out


async def test_a_break_before_the_reply_is_a_500_that_tells_nothing() -> None:
    start, body = await served(Endpoint(fail_after=0))
    assert start["status"] == 500
    assert "ZeroDivision" not in json.dumps(json.loads(body["body"]))


async def test_a_break_within_the_reply_cuts_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await served(Endpoint(fail_after=1))


async def test_a_request_is_a_span_of_the_callers_trace() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    endpoint = Endpoint()
    await served(endpoint, spans=Spans(provider.get_tracer("test")))
    (span,) = exporter.get_finished_spans()
    assert span.name == "POST chat"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" in PARENT
    assert endpoint.traceparents == [None]  # the open span's context travels instead


async def test_without_spans_the_trace_is_passed_on() -> None:
    endpoint = Endpoint()
    await served(endpoint)
    assert endpoint.traceparents == [PARENT]


async def test_every_request_is_logged_only_when_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="synapse.gateway"):
        await served(Endpoint())
        assert caplog.messages == []
        await served(Endpoint(), access_log=True)
        assert caplog.messages == ["request served"]
