"""A real mesh with a real Envoy before it, and clients that come through that door."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import PATIENT, UNDETERRED, running
from tests.e2e.upstream import Upstream, running_upstream
from tests.envoy.clients import GrpcClient, question
from tests.support.envoy_server import Envoy, running_envoy
from tests.support.mesh import MeshProcess, free_port, write_config

ACME_KEY, VIEWER_KEY, OTHER_KEY = "acme-key", "viewer-key", "other-key"
KEYS = [
    {"key": ACME_KEY, "tenant": "acme", "role": "operator"},
    {"key": VIEWER_KEY, "tenant": "acme", "role": "viewer", "name": "reader"},
    {"key": OTHER_KEY, "tenant": "other", "role": "operator"},
]
_TARGETS = {"cache": "cache_target", "embed": "embed_target", "router": "router_target"}


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The backend of the mesh."""
    with running_upstream() as double:
        yield double


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[MeshProcess]:
    """`synapse up` whose gateway tells Envoy who a caller is."""
    folder = tmp_path_factory.mktemp("mesh")
    gateway = {"keys": KEYS, "check_listen": f"127.0.0.1:{free_port()}"}
    sections = {"gateway": gateway, "cache": PATIENT, "router": UNDETERRED, "mesh": {"drain_seconds": 10}}
    config = write_config(folder / "config.json", sections)
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def services(mesh: MeshProcess) -> dict[str, Any]:
    """Where the services of the mesh listen."""
    return services_of(mesh)


@pytest.fixture(scope="session")
def envoy(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any]) -> Iterator[Envoy]:
    """Envoy before the mesh."""
    with running_envoy(tmp_path_factory.mktemp("envoy"), {"services": services}) as running:
        yield running


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A part of the cache that no other test uses."""
    return f"{Path(request.node.path).stem}.{uuid4().hex[:12]}"


@pytest.fixture
def grpc_client(envoy: Envoy, namespace: str) -> Iterator[GrpcClient]:
    """A gRPC client with the operator's key, in a namespace of this test's own."""
    with GrpcClient(envoy.address, ACME_KEY, namespace) as client:
        yield client


@pytest.fixture
def rest(envoy: Envoy) -> Iterator[httpx.Client]:
    """A REST client with the operator's key."""
    with httpx.Client(base_url=envoy.url, headers={"authorization": f"Bearer {ACME_KEY}"}, timeout=30) as client:
        yield client


@pytest.fixture
def asked(namespace: str) -> dict[str, Any]:
    """A question in JSON, in a namespace of this test's own."""
    return question(namespace)


def services_of(mesh: MeshProcess) -> dict[str, Any]:
    """Where the services of a mesh listen, as envoy/local.yaml has it."""
    sections = json.loads((mesh.state / "config.json").read_text())
    addresses = {name: sections["mesh"][target] for name, target in _TARGETS.items()}
    addresses["check"] = sections["gateway"]["check_listen"]
    return {name: {"port": int(address.rpartition(":")[2])} for name, address in addresses.items()}
