"""The worlds of the end-to-end tests: real meshes, each started once, and the clients that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openai import OpenAI

from tests.e2e.asking import Asker
from tests.e2e.claude import MODELS as CLAUDE_MODELS
from tests.e2e.claude import Claude, claude_double
from tests.e2e.doubles import in_thread
from tests.e2e.speakers import Speaker, speakers
from tests.e2e.upstream import Upstream, running_upstream
from tests.support.mesh import MeshProcess, write_config

ACME_KEY, VIEWER_KEY, SPENDER_KEY, LIMITED_KEY = "acme-key", "viewer-key", "spender-key", "limited-key"
KEYS = [
    {"key": ACME_KEY, "tenant": "acme", "role": "operator"},
    {"key": VIEWER_KEY, "tenant": "acme", "role": "viewer"},
    {"key": SPENDER_KEY, "tenant": "spender"},
    {"key": LIMITED_KEY, "tenant": "limited", "models": ["echo", "rich/*"]},
]
PATIENT = {"redis_budget_ms": 5000, "embed_budget_ms": 5000, "vectors_budget_ms": 5000, "audit_share": 0}
"""Budgets for tests of what the cache finds, on a machine that is busy with other things; no audits unless wanted."""
UNDETERRED = {"breaker": {"consecutive_failures": 0, "min_requests": 0}, "retries": {"max_retries": 0}}
"""A router that asks once, and goes on asking a backend whose failures are wanted."""
TOKENS_PER_MINUTE = 6_000_000
REQUESTS_PER_SECOND = 1000


@contextmanager
def running(mesh: MeshProcess) -> Iterator[MeshProcess]:
    """`mesh`, started and stopped."""
    try:
        mesh.start()
        yield mesh
    finally:
        mesh.stop()


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The backend of the meshes that have no real model."""
    with running_upstream() as double:
        yield double


@pytest.fixture(scope="session")
def claude() -> Iterator[Claude]:
    """The backend on Anthropic's wire of the mesh with the doubles."""
    with in_thread(claude_double) as double:
        yield double


@pytest.fixture(scope="session")
def mesh_real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """`synapse up` as a newcomer types it: with the small real model."""
    with running(MeshProcess(tmp_path_factory.mktemp("real") / "state", "--local")) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def mesh_double(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, claude: Claude) -> Iterator[MeshProcess]:
    """`synapse up --upstream URL` with keys of several tenants, and a backend on Anthropic's wire."""
    folder = tmp_path_factory.mktemp("double")
    limits = {"rate_limit_rps": REQUESTS_PER_SECOND, "rate_limit_tpm": TOKENS_PER_MINUTE}
    backend = {"name": "claude", "provider": "anthropic", "endpoint": claude.url, "models": CLAUDE_MODELS}
    sections = {"gateway": {"keys": KEYS, **limits}, "cache": PATIENT, "router": {"backends": [backend], **UNDETERRED}}
    config = write_config(folder / "config.json", sections)
    mesh = MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))
    with running(mesh):
        yield mesh


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    """A part of the cache that no other test uses."""
    return f"{Path(request.node.path).stem}.{uuid4().hex[:12]}"


@contextmanager
def asking(mesh: MeshProcess, namespace: str, *, model: str = "echo", **options: Any) -> Iterator[Asker]:
    """An asker of `mesh`; `options` are the SDK client's."""
    headers = {"x-synapse-namespace": namespace}
    settings = {"api_key": mesh.endpoint.key, "max_retries": 0, "timeout": 60.0, "default_headers": headers, **options}
    with OpenAI(base_url=mesh.base_url, **settings) as client:
        yield Asker(client, model=model)


@pytest.fixture
def ask(mesh_double: MeshProcess, namespace: str) -> Iterator[Asker]:
    """Asks the mesh with the double, in a namespace of this test's own."""
    with asking(mesh_double, namespace) as asker:
        yield asker


@pytest.fixture
def known(mesh_double: MeshProcess, namespace: str) -> Iterator[dict[str, Speaker]]:
    """Speakers of each protocol, in a namespace of this test's own."""
    with speakers(mesh_double, namespace) as known:
        yield known


@pytest.fixture
def ask_real(mesh_real: MeshProcess, namespace: str) -> Iterator[Asker]:
    """Asks the mesh with the real model, in a namespace of this test's own."""
    with asking(mesh_real, namespace, model=mesh_real.endpoint.model) as asker:
        asker.usual |= {"temperature": 0, "stop": ["."]}  # a sentence is enough
        yield asker


@pytest.fixture
def http(mesh_double: MeshProcess, namespace: str) -> Iterator[httpx.Client]:
    """A bare HTTP client of the mesh with the double, with the admin's key, in a namespace of this test's own."""
    headers = {"authorization": f"Bearer {mesh_double.endpoint.key}", "x-synapse-namespace": namespace}
    with httpx.Client(base_url=mesh_double.endpoint.url, headers=headers, timeout=30) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show what the meshes of a failed test wrote."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, MeshProcess):
                report.sections.append((f"logs of {name}", value.logs()))
    return report
