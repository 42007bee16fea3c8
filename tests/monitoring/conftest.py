"""One mesh with some traffic behind it, and one Prometheus that scraped it, for all tests that look at real numbers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.upstream import running_upstream
from tests.monitoring.scraped import Prometheus, scraping, texts_of
from tests.support.mesh import MeshProcess, write_config

QUESTION, REWORDED = "What is the capital of France?", "Can you tell me the capital of France?"
PATIENT = {"redis_budget_ms": 5000, "embed_budget_ms": 5000, "vectors_budget_ms": 5000}


@pytest.fixture(scope="session")
def busy_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh that has answered requests of every kind."""
    folder = tmp_path_factory.mktemp("monitored")
    config = write_config(folder / "config.json", {"cache": {**PATIENT, "audit_share": 1.0}})
    with running_upstream() as upstream:
        mesh = MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))
        try:
            mesh.start()
            _traffic(mesh, "before")
            yield mesh
        finally:
            mesh.stop()


@pytest.fixture(scope="session")
def metrics(busy_mesh: MeshProcess) -> dict[str, str]:
    """What /metrics of each service says."""
    return {name: text for name, (_, text) in texts_of(busy_mesh).items()}


@pytest.fixture(scope="session")
def prometheus(busy_mesh: MeshProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen requests of every kind come and go."""
    ports = {name: port for name, (port, _) in texts_of(busy_mesh).items()}
    with scraping(tmp_path_factory.mktemp("prometheus"), ports) as found:
        found.wait_for_scrapes()
        _traffic(busy_mesh, "meanwhile")
        found.wait_for_scrapes()
        yield found


def _traffic(mesh: MeshProcess, namespace: str) -> None:
    """A miss, a hit of each tier, a stream, a bypass, and errors of two kinds, in a namespace of the cache."""
    headers = {"authorization": f"Bearer {mesh.endpoint.key}", "x-synapse-namespace": namespace}
    with httpx.Client(base_url=mesh.base_url, headers=headers, timeout=30) as client:
        for prompt in (QUESTION, QUESTION, REWORDED):
            _ask(client, prompt)
        _ask(client, "Name a river of Spain.", stream=True)
        _ask(client, QUESTION, headers={"x-synapse-skip-cache": "true"})
        assert client.post("/chat/completions", json={"model": "echo"}).status_code == 400
        assert _ask(client, "hello", model="fail/503").status_code == 503


def _ask(client: httpx.Client, prompt: str, *, model: str = "echo", **more: object) -> httpx.Response:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": bool(more.pop("stream", False)),
    }
    return client.post("/chat/completions", json=body, **more)
