"""How often a key may call: each has a bucket of its own at each Envoy."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synapse.cache.v1 import cache_pb2
from tests.envoy.clients import GrpcClient
from tests.envoy.conftest import ACME_KEY, OTHER_KEY, VIEWER_KEY
from tests.support.envoy_server import Envoy, running_envoy

BURST = 5
TOO_MANY = "This key has made too many requests. Try again in a second."


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any]) -> Iterator[Envoy]:
    """An Envoy that lets each key make one request a second, five at once."""
    limit = {"requestsPerSecond": 1, "burst": BURST}
    with running_envoy(tmp_path_factory.mktemp("strict"), {"services": services, "rateLimit": limit}) as running:
        yield running


def statuses(envoy: Envoy, key: str, times: int) -> list[int]:
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=envoy.url, headers=headers, timeout=10) as client:
        return [client.get("/api/v1/stats").status_code for _ in range(times)]


def test_the_limit_of_one_key_is_not_another_s(strict: Envoy) -> None:
    assert 429 in statuses(strict, ACME_KEY, BURST + 3)
    assert statuses(strict, OTHER_KEY, 2) == [200, 200]
    assert statuses(strict, VIEWER_KEY, 2) == [200, 200], "of the same tenant"


def test_a_refusal_says_so_in_the_caller_s_protocol_and_ends(strict: Envoy, namespace: str) -> None:
    statuses(strict, OTHER_KEY, BURST + 3)
    reply = httpx.get(f"{strict.url}/api/v1/stats", headers={"authorization": f"Bearer {OTHER_KEY}"}, timeout=10)
    assert (reply.status_code, reply.json()["code"], reply.json()["message"]) == (429, 8, TOO_MANY)
    with GrpcClient(strict.address, OTHER_KEY, namespace) as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.stub.GetStats(cache_pb2.GetStatsRequest(), **client.options())
        failed: Any = caught.value
        assert (failed.code(), failed.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, TOO_MANY)
        time.sleep(1.2)
        assert client.stub.GetStats(cache_pb2.GetStatsRequest(), **client.options()).cache_hit_rate >= 0


def test_an_invented_subject_neither_helps_nor_harms(strict: Envoy, namespace: str) -> None:
    """A caller cannot use up another key's bucket, nor leave its own."""
    headers = {"authorization": f"Bearer {VIEWER_KEY}", "x-synapse-tenant": "other", "x-synapse-subject": "other"}
    with httpx.Client(base_url=strict.url, headers=headers, timeout=10) as client:
        assert 429 in [client.get("/api/v1/stats").status_code for _ in range(BURST + 3)]


def test_health_is_told_however_often_it_is_asked(strict: Envoy) -> None:
    with grpc.insecure_channel(strict.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        for _ in range(BURST * 3):
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
