"""llm-katan, an LLM server that we did not write: its echo backend on the OpenAI and Anthropic wires, in a child process.

It lies in `.venvs/katan` and runs on the libraries of the development environment. Where it cannot be had, tests of it
are skipped by name. It answers every tool question with a call of the first tool, wants the key header of each wire,
and says the time in its answers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.mesh import free_port

LIST = Path(__file__).with_name("katan.txt")
MODEL = "katan"
START_SECONDS = 30.0


def install() -> Path:
    """Where the package lies, fetched first if need be; raises PartMissing."""
    home = parts.FOLDER / "katan"
    hashed = ("--require-hashes", "--only-binary", ":all:", "-r", str(LIST))
    fetch = (parts.uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(home), *hashed)
    return parts.fetched("katan", [fetch], like=LIST.read_text())


@contextmanager
def running_katan(folder: Path, *flags: str) -> Iterator[str]:
    """A server with these flags; yields its URL, without /v1. Raises PartMissing."""
    environment = {**os.environ, "PYTHONPATH": str(install())}
    port = free_port()
    where = ("--host", "127.0.0.1", "--port", str(port), "--stats-file", str(folder / "stats.json"))
    what = ("--model", MODEL, "--backend", "echo", "--providers", "openai,anthropic", "--disable-dashboard")
    command = (sys.executable, "-c", "from llm_katan import main; main()", *what, *where, *flags)
    url = f"http://127.0.0.1:{port}"
    with parts.child(command, folder / "katan.log", healthy=f"{url}/health", seconds=START_SECONDS, env=environment):
        yield url


@pytest.fixture(scope="session")
def katan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running server, without /v1."""
    try:
        with running_katan(tmp_path_factory.mktemp("katan")) as url:
            yield url
    except parts.PartMissing as absent:
        parts.missing(str(absent))


if __name__ == "__main__":
    try:
        install()
    except parts.PartMissing as absent:
        sys.exit(str(absent))
