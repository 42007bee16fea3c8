"""Two replicas of the cache behind one name: equal keys meet, a dead one is skipped, a new one gets its share."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from synapse.cache.v1 import cache_pb2
from tests.envoy.clients import GrpcClient
from tests.envoy.conftest import ACME_KEY
from tests.envoy.names import NAME, Names, answering
from tests.support.envoy_server import Envoy, laid_over, running_envoy
from tests.support.mesh import MeshProcess, clean_environment, free_port
from tests.support.parts import child

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
SEEN_SECONDS = 15.0


@contextmanager
def second_cache(mesh: MeshProcess, folder: Path, port: int) -> Iterator[None]:
    """Another replica of the mesh's cache service, on an address of its own."""
    folder.mkdir()
    sections = json.loads((mesh.state / "config.json").read_text())
    probes = f"{SECOND}:{free_port()}"
    cache = {"listen": f"{SECOND}:{port}", "probes": probes, "data_dir": str(folder / "data")}
    config = folder / "config.json"
    config.write_text(json.dumps(laid_over(sections, {"cache": cache, "mesh": {"drain_seconds": 1}})))
    environment = {**clean_environment(), "SYNAPSE_CONFIG_PATH": str(config)}
    command = [sys.executable, "-m", "synapse_cache"]
    with child(command, folder / "cache.log", healthy=f"http://{probes}/ready", seconds=30, env=environment):
        yield


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    """What the name of the caches stands for; tests change it."""
    with answering(FIRST) as names:
        yield names


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any], names: Names) -> Iterator[Envoy]:
    """An Envoy that knows the cache by a name."""
    places = laid_over(services, {"cache": {"host": NAME}})
    folder = tmp_path_factory.mktemp("balanced")
    with running_envoy(folder, {"services": places}, beside=names.bootstrap) as running:
        yield running


def ask(envoy: Envoy, namespace: str, *keys: str) -> list[str]:
    """Questions with these routing keys, each by a call of its own; who answered them, by address."""
    before = len(envoy.requests())
    with GrpcClient(envoy.address, ACME_KEY, namespace) as client:
        for key in keys:
            client.stub.GetStats(cache_pb2.GetStatsRequest(), **client.options(("x-synapse-routing-key", key)))
    wait_for(lambda: len(envoy.requests()) >= before + len(keys))
    return [line["upstream"].rpartition(":")[0] for line in envoy.requests()[before:]]


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_replicas_come_and_go_without_an_error(
    balanced: Envoy, names: Names, mesh: MeshProcess, services: Mapping[str, Any], tmp_path: Path, namespace: str
) -> None:
    keys = [f"key-{number}" for number in range(40)]
    assert set(ask(balanced, namespace, *keys)) == {FIRST}
    with second_cache(mesh, tmp_path / "second", services["cache"]["port"]):
        names.addresses = (FIRST, SECOND)
        wait_for(lambda: SECOND in ask(balanced, namespace, *keys))
        shared = ask(balanced, namespace, *keys)
        assert shared.count(FIRST) > 5
        assert shared.count(SECOND) > 5
        assert ask(balanced, namespace, *keys) == shared, "equal keys meet"
    assert set(ask(balanced, namespace, *keys)) == {FIRST}, "a dead replica is skipped, and no call was lost"
    tried = [line["attempts"] for line in balanced.requests()[-len(keys) :]]
    assert max(tried) > 1, "it was found out by calls that were tried again"
