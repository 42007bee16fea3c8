"""A real mesh for tests: `synapse up` as a child process with a state folder and a free port of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

READY_SECONDS = 60.0
STOP_SECONDS = 40.0
_LOG_TAIL = 4000
_NOT_INHERITED = ("_API_KEY", "_BASE_URL", "OLLAMA_HOST")
_PARTS = {
    "gateway": "synapse_gateway",
    "cache": "synapse_cache",
    "embed": "synapse_embed",
    "llm-router": "synapse_llm_router",
    "llama": "synapse_standalone.llama",
    "valkey": "valkey.conf",
}
"""What the command line of each part holds."""


@dataclass(frozen=True)
class Endpoint:
    """What a running mesh published in endpoint.json."""

    url: str
    base_url: str
    key: str
    model: str
    grpc: str
    pid: int


class MeshProcess:
    """`synapse up` with `arguments` on the state folder `state`; may be stopped and started again."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        self.port = free_port()
        self.output = state.parent / f"{state.name}.out"
        self._arguments = ("--state", str(state), "--port", str(self.port), *arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = Endpoint("", "", "", "", "", 0)

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK wants as its base URL."""
        return self.endpoint.base_url

    @property
    def command(self) -> tuple[str, ...]:
        """What is started."""
        return (sys.executable, "-m", "synapse_standalone", "up", *self._arguments)

    def start(self) -> None:
        """Start, and return once the endpoint is published; RuntimeError with the logs when that does not happen."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=clean_environment()
            )
        self.endpoint = self.wait_until_published(self._process)

    def wait_until_published(self, process: subprocess.Popen[bytes], seconds: float = READY_SECONDS) -> Endpoint:
        """The endpoint that `process` publishes."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(FileNotFoundError):
                endpoint = Endpoint(**json.loads((self.state / "endpoint.json").read_text()))
                if psutil.pid_exists(endpoint.pid):  # a crashed supervisor leaves its endpoint behind
                    return endpoint
            time.sleep(0.05)
        raise RuntimeError(f"the mesh did not become ready:\n{self.logs()}")

    def stop(self) -> int:
        """Press Ctrl-C and return the exit status; killed when it takes too long."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(STOP_SECONDS)

    def crash(self) -> None:
        """Kill the supervisor with SIGKILL, as a power cut would, and wait until all parts are gone with it."""
        assert self._process is not None
        parts = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._process = None
        _, left = psutil.wait_procs(parts, timeout=10)
        if left:
            raise RuntimeError(f"these outlived the supervisor: {left}")

    def part(self, name: str) -> psutil.Process:
        """The running process of a part, such as "cache"; LookupError when there is none."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children():
            try:
                if any(word.endswith(_PARTS[name]) for word in child.cmdline()) and "-S" not in child.cmdline():
                    return child
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        raise LookupError(f"{name} is not running")

    def kill(self, name: str) -> int:
        """Kill a part with SIGKILL and wait until it is gone; returns its process id."""
        process = self.part(name)
        process.kill()
        process.wait(10)
        return process.pid

    def wait_until_back(self, name: str, *, killed: int) -> None:
        """Wait until the supervisor has started a part again and the gateway reaches the cache."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._runs_anew(name, killed) and self.is_ready() and self._answers("/api/v1/stats"):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{name} did not come back:\n{self.logs()}")

    def is_ready(self) -> bool:
        """What /ready says."""
        return self._answers("/ready")

    def _answers(self, path: str) -> bool:
        """Whether a request with the admin's key is answered with 200."""
        headers = {"authorization": f"Bearer {self.endpoint.key}"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{self.endpoint.url}{path}", headers=headers), timeout=5
            ) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def logs(self) -> str:
        """The end of what the supervisor and each part wrote."""
        files = [self.output, *sorted(self.state.glob("logs/*.log"))]
        return "\n".join(f"--- {file.name}\n{_tail(file)}" for file in files if file.exists())

    def _runs_anew(self, name: str, killed: int) -> bool:
        try:
            return self.part(name).pid != killed
        except LookupError:
            return False


def clean_environment(environ: Mapping[str, str] = os.environ, *, without: Iterable[str] = ()) -> dict[str, str]:
    """The environment without provider keys and settings, so that a mesh runs the same on every machine."""
    return {
        name: value
        for name, value in environ.items()
        if not name.endswith(_NOT_INHERITED) and not name.startswith("SYNAPSE_") and name not in {"REDIS_URL", *without}
    }


def write_config(path: Path, sections: Mapping[str, Any]) -> Path:
    """A configuration file of the mesh."""
    path.write_text(json.dumps(sections))
    return path


def free_port() -> int:
    """A loopback port that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-_LOG_TAIL:]
