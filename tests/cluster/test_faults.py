"""What a release does when something that it needs is not there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.release import READY_SECONDS, Release, beside

_ONE_OF_EACH = {"gateway": {"replicaCount": 1}, "proxy": {"replicaCount": 1}, "envoy": {"enabled": False}}


@pytest.fixture
def astray(release: Release, tmp_path: Path) -> Iterator[Release]:
    """A second release, whose Redis does not exist."""
    redis = {"mode": "external", "external": {"url": "redis://nowhere:6379/0"}}
    milvus = {"mode": "external", "external": {"endpoint": "synapse-milvus:19530"}}
    found = beside(release, "astray", tmp_path, {"dependencies": {"redis": redis, "milvus": milvus}, **_ONE_OF_EACH})
    found.install()
    try:
        yield found
    finally:
        found.uninstall()


def test_a_wrong_redis_still_serves(astray: Release, namespace: str) -> None:
    parts = ("deploy/astray-synapse-llm-router", "sts/astray-synapse-proxy", "deploy/astray-synapse-gateway")
    astray.cluster.wait_ready(*parts, seconds=READY_SECONDS)
    deadline = time.monotonic() + 20  # the gateway hears of the others a moment after they are ready
    while astray.ask("Is anybody there?", namespace).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    for _ in range(2):
        reply = astray.ask("Is anybody there?", namespace)
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"] == "You said: Is anybody there?"
    ping = astray.cluster.exec(parts[-1], ["sh", "-c", "redis-cli -u $REDIS_URL ping"])
    assert ping.status != 0
    assert "nowhere" in ping.output, ping.output


def test_a_missing_key_keeps_the_pod_from_starting_and_says_so(release: Release, tmp_path: Path) -> None:
    keyless = beside(release, "keyless", tmp_path, {"secrets": {"create": False, "existingSecret": "own-keys"}})
    own = {"kind": "Secret", "metadata": {"name": "own-keys", "namespace": "synapse"}, "stringData": {"other": "x"}}
    keyless.cluster.apply([own])
    keyless.install("keyless-synapse-gateway")
    try:
        message = keyless.cluster.wait_reason("deploy/keyless-synapse-gateway", "CreateContainerConfigError")
        assert message == "couldn't find key synapse-api-key in Secret synapse/own-keys"
        keyless.cluster.apply([{**own, "stringData": {"synapse-api-key": "sk-late"}}])
        keyless.cluster.wait_reason("deploy/keyless-synapse-gateway", "Running")
    finally:
        keyless.uninstall()
