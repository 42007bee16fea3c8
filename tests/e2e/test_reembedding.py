"""A running mesh moved from the bundled model to another one, and back, through REST and the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from synapse_standalone.__main__ import main
from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, KEYS, PATIENT, asking, running
from tests.e2e.upstream import Upstream
from tests.support.mesh import MeshProcess, write_config

QUESTIONS = [f"What is the {name} of France?" for name in ("capital", "president", "anthem", "flag", "currency")]
OLD, NEW = "all-MiniLM-L6-v2", "hashing"
READY_SECONDS = 30.0


WORDINGS = iter(("what is the", "What IS the", "what Is The", "WHAT is the"))


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[MeshProcess]:
    """A mesh whose embed service has a second model."""
    folder = tmp_path_factory.mktemp("moving")
    embed = {"others": [{"provider": "hashing"}]}
    cache = {**PATIENT, "reembedding": {"entries_per_second": 500}}
    config = write_config(folder / "config.json", {"gateway": {"keys": KEYS}, "cache": cache, "embed": embed})
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def http(moving: MeshProcess) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {moving.endpoint.key}"}
    with httpx.Client(base_url=moving.endpoint.url, headers=headers, timeout=30) as client:
        yield client


def standing(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/v1/embedder").raise_for_status().json()["reembedding"]
    return found


def until(http: httpx.Client, stage: str) -> dict[str, Any]:
    deadline = time.monotonic() + READY_SECONDS
    while (found := standing(http))["stage"] != stage:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def embedder(http: httpx.Client) -> str:
    found: dict[str, Any] = http.get("/api/v1/stats").raise_for_status().json()
    return str(found["embedder"])


def by_meaning(ask: Asker) -> list[str]:
    """What wordings find that nobody used before."""
    wording = next(WORDINGS)
    return [ask(question.replace("What is the", wording)).status for question in QUESTIONS]


def test_the_mesh_moves_to_another_model_and_back(
    moving: MeshProcess, http: httpx.Client, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(moving.state)]
    with asking(moving, namespace) as ask:
        for question in QUESTIONS:
            ask(question)
        assert main(["reembed", "status", *state]) == 0
        assert main(["reembed", "start", NEW, "--watch", *state]) == 0
        told = capsys.readouterr().out
        assert told.startswith("no re-embedding was ever begun\n")
        assert f"the vectors of {NEW} are ready" in told
        ready = standing(http)
        assert (ready["from_model"], ready["to_model"], ready["done"]) == (OLD, NEW, "5")
        assert "MiniLM" in embedder(http)
        assert main(["reembed", "switch", *state]) == 0
        assert "hashing" in embedder(http)
        ask("Who wrote Hamlet?")
        assert by_meaning(ask) == ["HIT-L2"] * 5
        killed = moving.kill("cache")
        moving.wait_until_back("cache", killed=killed)
        assert "hashing" in embedder(http)
        assert by_meaning(ask) == ["HIT-L2"] * 5
        assert main(["reembed", "rollback", *state]) == 0
        assert f"{OLD} serves" in capsys.readouterr().out
        assert "MiniLM" in embedder(http)
        assert by_meaning(ask) == ["HIT-L2"] * 5
        assert ask("who wrote hamlet?").status == "HIT-L2"


def test_only_an_admin_moves_the_mesh(http: httpx.Client) -> None:
    operator = {"authorization": f"Bearer {ACME_KEY}"}
    for verb, path in (("GET", ""), ("POST", ":reembed"), ("POST", ":switch"), ("POST", ":rollback")):
        body = {} if verb == "POST" else None
        assert http.request(verb, f"/api/v1/embedder{path}", json=body, headers=operator).status_code == 403


def test_a_model_that_is_not_there_is_named(moving: MeshProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reembed", "start", "bge-m3", "--state", str(moving.state)]) == 1
    assert f"no model 'bge-m3' is served; there are: {OLD}, {NEW}" in capsys.readouterr().err
    assert main(["reembed", "start", "--state", str(moving.state)]) == 1
