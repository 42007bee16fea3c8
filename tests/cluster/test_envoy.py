"""Envoy as the chart sets it up: the same keys and the same cache for gRPC and REST clients of the protos."""

from __future__ import annotations

import grpc
import httpx
import pytest

from synapse.cache.v1 import outcome_pb2
from tests.cluster import doors
from tests.cluster.release import Release
from tests.e2e.upstream import SLOW_WORDS, echo

QUESTION = "What is behind the door?"


@pytest.fixture(scope="module")
def rest(release: Release) -> str:
    """Envoy's URL on this machine."""
    return f"http://{release.cluster.forward('svc/synapse-envoy', 50050)}"


def test_a_grpc_client_gets_a_cached_answer_with_the_synapse_key(release: Release, namespace: str) -> None:
    with doors.opened(release, namespace) as door:
        first, second = door.generate(QUESTION), door.generate_until_hit(QUESTION)
    assert first.generation.choices[0].content == echo(QUESTION)
    assert second.outcome.status == outcome_pb2.CACHE_STATUS_HIT


def test_a_stream_comes_through_step_by_step(release: Release, namespace: str) -> None:
    with doors.opened(release, namespace) as door:
        steps = door.stream(QUESTION)
    assert doors.text_of(steps).split(" ")[-1] == f"w{SLOW_WORDS - 1}"
    assert len(steps) > 20


def test_a_rest_client_shares_the_cache_of_grpc_clients(release: Release, rest: str, namespace: str) -> None:
    with doors.opened(release, namespace) as door:
        door.generate(QUESTION)
        door.generate_until_hit(QUESTION)
    question = {"model": "echo", "kind": "GENERATION_KIND_CHAT", "protocol": "PROTOCOL_OPENAI"}
    body = {
        "request": {**question, "messages": [{"role": "user", "text": QUESTION}]},
        "control": {"namespace": namespace},
    }
    reply = httpx.post(f"{rest}/api/v1/generate", json=body, headers=release.headers, timeout=30)
    assert reply.status_code == 200, reply.text
    assert reply.json()["outcome"]["status"] == "CACHE_STATUS_HIT"


def test_a_wrong_key_is_refused_at_the_door(release: Release, rest: str, namespace: str) -> None:
    with doors.opened(release, namespace, key="sk-wrong") as door, pytest.raises(grpc.RpcError) as refused:
        door.generate(QUESTION)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    reply = httpx.get(f"{rest}/api/v1/stats", headers={"authorization": "Bearer sk-wrong"}, timeout=10)
    assert reply.status_code == 401


def test_the_admin_interface_is_for_the_pod_alone(release: Release) -> None:
    address = release.cluster.forward("deploy/synapse-envoy", 9901)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{address}/server_info", timeout=5)
