"""A real Milvus 2.3.5 for tests: started on free loopback ports over a temporary folder, stopped with the test run.

The server lies in a virtual environment of its own (`.venvs/milvus`), which is made on demand from
`milvus.txt` beside this file. Registered as a pytest plugin, this module gives the session fixture `milvus_endpoint`
(`127.0.0.1:port`). Where Milvus cannot be had the fixture skips and says why; with SYNAPSE_TEST_STRICT=1 it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venvs" / "milvus"
START_SECONDS = 120
STOP_SECONDS = 10
_COMPONENTS = (
    "proxy",
    "proxy_internal",
    "root_coord",
    "query_coord",
    "query_node",
    "index_coord",
    "index_node",
    "data_coord",
    "data_node",
    "etcd",
)
# Runs in Milvus's own environment: unpacks the binaries once beside it, writes the configuration, names the program.
_PREPARE = """
import json, sys
from milvus import MilvusServerConfig, _initialize_data_files
home, folder, ports = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
_initialize_data_files(home)
MilvusServerConfig(data_dir=folder, **ports).resolve()
"""


class MilvusMissing(Exception):
    """Milvus cannot be had on this machine; the message says why."""


class MilvusServer:
    """One Milvus process over a temporary folder; `start` again after `stop` finds its data there."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="synapse-milvus-"))
        self._python = install()
        names = [f"{name}_port" for name in _COMPONENTS] + ["metrics", "etcd_peer"]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self._ports['proxy_port']}"

    def start(self) -> None:
        """Start and return when it is healthy; RuntimeError with the end of its log when it does not get there."""
        if not (self._folder / "etcd.yaml").exists():
            self._write_configuration()
        log = (self._folder / "milvus.log").open("ab")
        self._process = subprocess.Popen(
            [unpacked() / "bin" / "milvus", "run", "standalone"],
            cwd=self._folder,
            env=self._environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        log.close()
        self._wait_until_healthy(self._process)

    def stop(self) -> None:
        """Kill it; it is built to survive that, and its graceful stop takes longer than a test may."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def close(self) -> None:
        """Stop and remove the folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_configuration(self) -> None:
        ports = {name: port for name, port in self._ports.items() if name.endswith("_port")}
        prepare(self._python, self._folder, ports)
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd_port", "etcd_peer"))
        (self._folder / "etcd.yaml").write_text(
            f"listen-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
            f"initial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n"
        )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "LD_LIBRARY_PATH": str(unpacked() / "bin"),
            "METRICS_PORT": str(self._ports["metrics"]),
            "ETCD_CONFIG_PATH": str(self._folder / "etcd.yaml"),
            "MILVUSCONF": str(self._folder / "configs"),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if _healthy(self._ports["metrics"]):
                return
            time.sleep(0.1)
        self.stop()
        tail = (self._folder / "milvus.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Milvus did not start within {START_SECONDS} s:\n{tail}")


def install() -> Path:
    """The interpreter of Milvus's environment, made first if need be; MilvusMissing when it cannot be made."""
    python = HOME / "bin" / "python"
    if (HOME / "complete").exists():
        return python
    uv = shutil.which("uv")
    if uv is None:
        raise MilvusMissing("uv is not on the path, so the environment of the Milvus server cannot be made")
    hashed = ("--require-hashes", "--only-binary", ":all:", "-r", str(Path(__file__).with_name("milvus.txt")))
    steps = (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(HOME)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *hashed],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise MilvusMissing(f"milvus==2.3.5 cannot be installed here: {done.stderr.strip()[-300:]}")
    (HOME / "complete").touch()
    return python


def prepare(python: Path, folder: Path, ports: Mapping[str, int]) -> None:
    """Unpack the server where that is to do, and write its configuration for data in `folder` into `folder`/configs."""
    arguments = [str(unpacked()), str(folder), json.dumps(dict(ports))]
    subprocess.run([python, "-c", _PREPARE, *arguments], check=True, timeout=START_SECONDS)


def unpacked() -> Path:
    """The folder that holds the server's programs once they were prepared."""
    return HOME / "unpacked"


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held while they are drawn, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as reply:
            return b"OK" in reply.read()
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def milvus_endpoint() -> Iterator[str]:
    """host:port of a running Milvus that the whole test run shares; use collections of your own."""
    try:
        server = MilvusServer()
    except MilvusMissing as missing:
        (pytest.fail if os.environ.get("SYNAPSE_TEST_STRICT") == "1" else pytest.skip)(str(missing))
    try:
        server.start()
        yield server.endpoint
    finally:
        server.close()


if __name__ == "__main__":
    install()
