"""A release whose services prove to each other who they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synapse.cache.v1 import outcome_pb2
from tests.cluster import doors
from tests.cluster.release import NAMESPACE, READY_SECONDS, Release, beside

SECRET = "mesh-certificates"
NAME = "secured-synapse"
_SERVICES = ("gateway", "gateway-check", "proxy", "embeddings", "llm-router", "envoy")
_ENDINGS = ("", f".{NAMESPACE}.svc", f".{NAMESPACE}.svc.cluster.local")


@pytest.fixture(scope="module")
def secured(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A second release with mutual TLS, on the stores of the first."""
    redis = {"mode": "external", "external": {"url": release.secret("internal", "redis-url")}}
    milvus = {"mode": "external", "external": {"endpoint": "synapse-milvus:19530"}}
    values = {"mtls": {"enabled": True, "existingSecret": SECRET}, "dependencies": {"redis": redis, "milvus": milvus}}
    ones = {name: {"replicaCount": 1} for name in ("gateway", "proxy", "envoy")}
    found = beside(release, "secured", tmp_path_factory.mktemp("secured"), {**values, **ones})
    found.cluster.apply([_certificates()])
    found.install()
    try:
        targets = [f"deploy/{NAME}-{name}" for name in ("embeddings", "llm-router", "gateway", "envoy")]
        found.cluster.wait_ready(f"sts/{NAME}-proxy", *targets, seconds=READY_SECONDS)
        yield found
    finally:
        found.uninstall()


def _certificates() -> dict[str, Any]:
    """The Secret that an operator would bring."""
    authority = trustme.CA()
    leaf = authority.issue_cert(*(f"{NAME}-{service}{ending}" for service in _SERVICES for ending in _ENDINGS))
    contents = {
        "tls.crt": b"".join(blob.bytes() for blob in leaf.cert_chain_pems).decode(),
        "tls.key": leaf.private_key_pem.bytes().decode(),
        "ca.crt": authority.cert_pem.bytes().decode(),
    }
    return {"kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE}, "stringData": contents}


def test_questions_are_answered_from_the_cache_over_mutual_tls(secured: Release, namespace: str) -> None:
    deadline = time.monotonic() + 20  # the gateway hears of the others a moment after they are ready
    status = ""
    while not status.startswith("HIT") and time.monotonic() < deadline:
        status = secured.ask("Is this line safe?", namespace).headers.get("x-synapse-cache-status", "")
    assert status == "HIT-L1"


def test_envoy_belongs_to_the_mesh(secured: Release, namespace: str) -> None:
    deadline = time.monotonic() + 20  # and so does Envoy
    with doors.opened(secured, namespace) as door:
        while not door.is_open() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert door.generate_until_hit("Is this door safe?").outcome.status == outcome_pb2.CACHE_STATUS_HIT


def test_who_has_no_certificate_does_not_reach_the_cache(secured: Release) -> None:
    address = secured.cluster.forward(f"sts/{NAME}-proxy", 50051)
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
