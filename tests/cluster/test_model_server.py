"""The embedding service before a model server of its own: Text Embeddings Inference, stood in for by a double."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.release import READY_SECONDS, Release, beside

MODEL = "BAAI/bge-small-en-v1.5"
SERVERS = ("modelled-synapse-embeddings-tei", "modelled-synapse-embeddings")


@pytest.fixture
def modelled(release: Release, tmp_path: Path) -> Iterator[Release]:
    """The embeddings of a second release, with another model than the one that ships."""
    found = beside(release, "modelled", tmp_path, {"embeddings": {"bundled": {"model": MODEL, "dimension": 384}}})
    found.install(*SERVERS)
    try:
        yield found
    finally:
        found.uninstall()


def test_another_model_is_served_by_a_model_server(modelled: Release) -> None:
    modelled.cluster.wait_ready(*(f"deploy/{name}" for name in SERVERS), seconds=READY_SECONDS)
    modelled.cluster.wait_log(f"deploy/{SERVERS[1]}", MODEL)
