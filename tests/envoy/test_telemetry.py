"""What Envoy tells: metrics for Prometheus, a line of JSON for each request, ids and traces that go on."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.envoy.clients import GENERATE, GrpcClient
from tests.envoy.conftest import ACME_KEY
from tests.support.envoy_server import Envoy
from tests.support.mesh import MeshProcess

SEEN_SECONDS = 15.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line_of(envoy: Envoy, request_id: str) -> dict[str, Any]:
    """The line of a request, which Envoy writes within ten seconds."""
    deadline = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < deadline:
        for line in envoy.requests():
            if line["request_id"] == request_id:
                return line
        time.sleep(0.1)
    raise AssertionError(f"no line for {request_id}")


def test_a_request_is_a_line_of_json_without_its_key(envoy: Envoy, rest: httpx.Client, namespace: str) -> None:
    request_id = f"req-{namespace}"
    reply = rest.get("/api/v1/stats?secret=in-the-query", headers={"x-request-id": request_id})
    assert reply.headers["x-request-id"] == request_id
    line = line_of(envoy, request_id)
    assert (line["method"], line["path"], line["code"]) == ("GET", "/api/v1/stats", 400)
    text = envoy.log.read_text()
    assert ACME_KEY not in text
    assert "in-the-query" not in text


def test_a_line_says_who_called_which_rpc_and_where_it_went(
    envoy: Envoy, rest: httpx.Client, asked: dict[str, Any]
) -> None:
    request_id = rest.post(GENERATE, json=asked).raise_for_status().headers["x-request-id"]
    line = line_of(envoy, request_id)
    assert (line["path"], line["rpc"]) == (GENERATE, "/synapse.cache.v1.CacheService/Generate")
    assert (line["tenant"], line["subject"]) == ("acme", "acme")
    assert (line["code"], line["grpc_status"]) == (200, "OK")
    assert line["upstream"].startswith("127.0.0.1:")
    assert line["duration_ms"] >= line["first_byte_ms"] >= 0


def test_the_request_s_id_goes_on_to_the_services(mesh: MeshProcess, grpc_client: GrpcClient, namespace: str) -> None:
    request_id = f"req-{namespace}"
    grpc_client.generate("Who am I?", ("x-request-id", request_id))
    found = grpc_client.log(request_id)
    assert found.id == request_id


def test_prometheus_reads_metrics_and_nothing_else(envoy: Envoy, grpc_client: GrpcClient) -> None:
    grpc_client.generate("What is measured?")
    for path in ("/metrics", "/stats/prometheus"):
        text = httpx.get(f"{envoy.metrics}{path}", timeout=10).raise_for_status().text
        for name in ("envoy_http_downstream_rq_active", "envoy_cluster_upstream_rq", "envoy_http_ext_authz_ok"):
            assert f"\n{name}{{" in text
    for path in ("/", "/quitquitquit", "/config_dump", "/stats", "/metrics/../config_dump"):
        assert httpx.post(f"{envoy.metrics}{path}", timeout=10).status_code == 404


def test_the_admin_interface_listens_on_loopback_alone(envoy: Envoy) -> None:
    assert httpx.get(f"http://127.0.0.1:{envoy.admin_port}/ready", timeout=5).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{envoy.admin_port}/ready", timeout=5)
