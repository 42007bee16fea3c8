"""One request is one trace through every service, in a real OTLP collector of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.e2e.asking import Asker
from tests.e2e.conftest import asking, running
from tests.e2e.upstream import Upstream
from tests.support.mesh import MeshProcess, write_config

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
EXPORT_SECONDS = 15.0
SERVICES = {"synapse-gateway", "synapse-cache", "synapse-embed", "synapse-llm-router"}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps which service told which spans of which trace."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str]] = []

    def Export(  # noqa: N802  # the protocol's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            facts = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(facts["service.name"], span.trace_id.hex(), span.name) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    server, servicer = grpc.server(futures.ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    server.stop(1).wait()


@pytest.fixture(scope="module")
def ask(
    collector: tuple[Collector, str], upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asker]:
    folder: Path = tmp_path_factory.mktemp("traced")
    config = write_config(folder / "config.json", {"telemetry": {"otlp_endpoint": collector[1]}})
    arguments = ("--upstream", upstream.url, "--config", str(config))
    with running(MeshProcess(folder / "state", *arguments)) as mesh, asking(mesh, "traced") as asker:
        yield asker


def test_a_sampled_request_is_one_trace_through_every_service(ask: Asker, collector: tuple[Collector, str]) -> None:
    ask("What is the capital of France?", extra_headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
    deadline = time.monotonic() + EXPORT_SECONDS
    seen: set[str] = set()
    while not seen >= SERVICES and time.monotonic() < deadline:
        time.sleep(0.2)
        seen = {service for service, trace, _ in collector[0].spans if trace == TRACE_ID}
    assert seen >= SERVICES
