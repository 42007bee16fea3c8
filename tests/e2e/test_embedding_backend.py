"""A mesh whose vectors come from a double of TEI: found by meaning, ranked, and never across a change of the model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import PATIENT, asking, running
from tests.e2e.doubles import in_thread
from tests.e2e.upstream import Upstream
from tests.support.mesh import MeshProcess, write_config
from tests.support.tei_server import TeiHttpDouble, tei_http

QUESTION = "What is the capital of France?"
REWORDED = (
    "Can you tell me the capital of France?",
    "Could you tell me the capital of France?",
    "Please tell me the capital of France.",
)
SECONDS = 30.0
_BIRDS = itertools.cycle(["crows", "owls", "ducks", "swans", "larks", "storks", "gulls", "wrens", "cranes", "doves"])


@pytest.fixture(scope="module")
def tei() -> Iterator[TeiHttpDouble]:
    with in_thread(tei_http) as double:
        yield double


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, tei: TeiHttpDouble, upstream: Upstream) -> Iterator[MeshProcess]:
    folder = tmp_path_factory.mktemp("tei")
    embed = {"provider": "tei", "tei": {"endpoint": tei.url}, "dimension": 384, "check_seconds": 0.3}
    config = write_config(folder / "config.json", {"embed": embed, "cache": PATIENT})
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def ask(mesh: MeshProcess, namespace: str) -> Iterator[Asker]:
    with asking(mesh, namespace) as asker:
        yield asker


def space(mesh: MeshProcess) -> str:
    """The vector space that the cache is in."""
    headers = {"authorization": f"Bearer {mesh.endpoint.key}"}
    stats = httpx.get(f"{mesh.endpoint.url}/api/v1/stats", headers=headers, timeout=30).json()
    return str(stats["embedder"])


def until_in_another_space(ask: Asker, mesh: MeshProcess, before: str) -> None:
    """Ask new questions, which have to be embedded, until the cache has changed over."""
    deadline = time.monotonic() + SECONDS
    while space(mesh) == before:
        assert time.monotonic() < deadline, "the cache did not change over"
        ask(
            f"What do {next(_BIRDS)} and {next(_BIRDS)} and {next(_BIRDS)} eat in winter?",
            temperature=time.monotonic() % 2,
        )


def test_a_reworded_question_hits_by_vectors_of_the_backend(ask: Asker, mesh: MeshProcess) -> None:
    assert ask(QUESTION).status == "MISS"
    assert ask(REWORDED[0]).status == "HIT-L2"
    assert space(mesh).startswith("backend=tei;model=sentence-transformers/all-MiniLM-L6-v2;revision=c9745ed1")


def test_a_change_of_the_model_never_mixes_spaces(ask: Asker, mesh: MeshProcess, tei: TeiHttpDouble) -> None:
    assert ask(QUESTION).status == "MISS"
    first, sha = space(mesh), tei.served.model_sha
    tei.served.model_sha = "0" * 40
    until_in_another_space(ask, mesh, first)
    assert ask(REWORDED[1]).status == "MISS"
    assert ask(QUESTION).status == "HIT-L1"
    second = space(mesh)
    tei.served.model_sha = sha
    until_in_another_space(ask, mesh, second)
    assert space(mesh) == first
    assert ask(REWORDED[2]).status == "HIT-L2"


def test_an_outage_of_the_backend_fails_no_request(ask: Asker, tei: TeiHttpDouble) -> None:
    assert ask(QUESTION).status == "MISS"
    tei.served.unhealthy = True
    try:
        assert ask(QUESTION).status == "HIT-L1"
        assert [ask(f"{i}: {QUESTION}").status for i in range(8)] == ["MISS"] * 8
    finally:
        tei.served.unhealthy = False
