"""No key is ever told: not by a log line, an error, a metric, a trace or the configuration, whatever a backend does."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from synapse.router.v1 import router_pb2 as wire
from synapse.router.v1.router_pb2_grpc import RouterServiceStub
from synapse_runtime.channel import open_channel
from tests.contract.llm_router.configured import admin
from tests.contract.llm_router.conftest import Stub, backend, details_of, question, router_of
from tests.contract.llm_router.test_process import a_process, free_port, get, until_ready
from tests.support.openai_upstream import OpenAIDouble, sse

KEY = "sk-very-secret-0123456789"
HEADER = "hidden-header-value"
QUOTED = f"Incorrect API key provided: {KEY}, with {HEADER}"
REFUSAL = orjson.dumps({"error": {"message": QUOTED, "type": "invalid_request_error", "code": "invalid_api_key"}})


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the text of all traces that it is sent."""

    url = ""

    def __init__(self) -> None:
        self.told: list[str] = []

    def Export(  # noqa: N802  # the protocol's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        self.told.append(str(request))
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[Collector]:
    server, servicer = grpc.server(futures.ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    servicer.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(1).wait()


def keyed(double: OpenAIDouble, **settings: Any) -> dict[str, Any]:
    return backend(double, **{"api_key": KEY, "headers": {"x-other-key": HEADER}, **settings})


def told_in(error: grpc.aio.AioRpcError) -> str:
    known = details_of(error)
    return f"{error!r} {error.trailing_metadata()} {known.message} {known.metadata} {known.provider}"


async def refusal_of(stub: Stub, form: str = "whole") -> str:
    """Everything that the error of a call tells."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await (_asked(stub) if form == "whole" else _streamed(stub))
    return told_in(refusal.value)


async def _asked(stub: Stub) -> None:
    await stub.Generate(wire.GenerateRequest(request=question()), **admin())


async def _streamed(stub: Stub) -> None:
    _ = [one async for one in stub.StreamGenerate(wire.StreamGenerateRequest(request=question()), **admin())]


@pytest.mark.parametrize("form", ["whole", "streamed"])
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
async def test_an_error_that_quotes_the_key_reaches_nobody_with_it(
    double: OpenAIDouble, status: int, form: str
) -> None:
    double.behaviour.status, double.behaviour.body = status, REFUSAL
    async with router_of(keyed(double)) as stub:
        told = await refusal_of(stub, form)
    assert "Incorrect API key provided: ***" in told
    assert KEY not in told
    assert HEADER not in told


async def test_an_error_inside_a_stream_is_told_without_the_key(double: OpenAIDouble) -> None:
    double.behaviour.events = [sse(REFUSAL)]
    async with router_of(keyed(double)) as stub:
        told = await refusal_of(stub, "streamed")
    assert "Incorrect API key provided: ***" in told
    assert KEY not in told


async def test_the_last_failure_of_a_backend_is_told_without_the_key(double: OpenAIDouble) -> None:
    double.behaviour.status, double.behaviour.body = 500, REFUSAL
    async with router_of(keyed(double)) as stub:
        await refusal_of(stub)
        told = str(await stub.GetBackends(wire.GetBackendsRequest()))
    assert "500" in told
    assert KEY not in told


@pytest.mark.parametrize("source", ["settings", "file", "variable"])
async def test_a_process_that_logs_and_traces_everything_tells_no_key(
    tmp_path: Path, double: OpenAIDouble, collector: Collector, source: str
) -> None:
    (tmp_path / "key").write_text(KEY)
    keys = {"settings": {"api_key": KEY}, "file": {"api_key_file": str(tmp_path / "key")}, "variable": {}}
    settings = {**keyed(double), "api_key": "", **keys[source]}
    if source == "variable":
        settings["api_key_env"] = "BACKEND_KEY"
    port, probes = free_port(), free_port()
    where = {"listen": f"127.0.0.1:{port}", "probes": f"127.0.0.1:{probes}", "reload_seconds": 0.05}
    section = {**where, "backends": [settings]}
    environ = {
        "SYNAPSE_MESH__SECRET": "mesh-secret",
        "SYNAPSE_TELEMETRY__OTLP_ENDPOINT": collector.url,
        "SYNAPSE_TELEMETRY__TRACE_SAMPLE_RATIO": "1",
    }
    async with a_process(tmp_path, section, BACKEND_KEY=KEY, **environ) as process:
        await until_ready(probes)
        told = await _misfortunes(double, port, tmp_path / "config.json", section)
        told += await get(probes, "/metrics")
        process.send_signal(signal.SIGTERM)
        told += b"".join(await process.communicate()).decode()
    asked = [request for request in double.requests if request.method == "POST"]  # a stray client may knock, too
    assert {request.headers["authorization"] for request in asked} == {f"Bearer {KEY}"}
    told += "".join(collector.told)
    for word in ('"level":"error"', "config_json", "synapse_upstream", "RouterService/StreamGenerate"):
        assert word in told
    for secret in (KEY, HEADER, "mesh-secret"):
        assert secret not in told


async def _misfortunes(double: OpenAIDouble, port: int, config: Path, section: dict[str, Any]) -> str:
    """Let everything go wrong that can; returns what callers were told."""
    told = ""
    async with open_channel(f"127.0.0.1:{port}", retries=False) as channel:
        stub: Stub = RouterServiceStub(channel)
        await stub.Generate(wire.GenerateRequest(request=question()), **admin())
        double.behaviour.body = REFUSAL
        for status in (401, 429, 500):
            double.behaviour.status = status
            told += await refusal_of(stub) + await refusal_of(stub, "streamed")
        double.behaviour.hang_up = True
        told += await refusal_of(stub)
        await asyncio.to_thread(config.write_text, json.dumps({"router": {**section, "default_backend": "nobody"}}))
        await asyncio.sleep(0.6)
        told += str(await stub.GetConfig(wire.GetConfigRequest(), **admin()))
        told += str(await stub.GetBackends(wire.GetBackendsRequest(), **admin()))
    return told
