"""A running mesh whose services a real Prometheus scrapes as in Kubernetes: with labels of pods laid over them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil

from tests.monitoring.programs import program
from tests.monitoring.sources import ALERTS
from tests.support import parts
from tests.support.mesh import MeshProcess, clean_environment, free_port

PARTS = ("gateway", "cache", "embed", "llm-router")
NAMESPACE = "synapse-of-the-test"
START_SECONDS = 30.0


class Prometheus:
    """A Prometheus that runs at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str) -> dict[str, Any]:
        """What it says to an instant query: status, data, and an error where there is one."""
        text = urllib.parse.urlencode({"query": query})
        try:
            return _json(f"{self.url}/api/v1/query?{text}")
        except urllib.error.HTTPError as refused:
            found: dict[str, Any] = json.loads(refused.read())
            return found

    def samples(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query that must succeed."""
        reply = self.ask(query)
        assert reply["status"] == "success", reply
        found: list[dict[str, Any]] = reply["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """The state of every rule."""
        groups = _json(f"{self.url}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def wait_for_scrapes(self, count: int = 2) -> None:
        """Wait until each service was scraped `count` times more; RuntimeError where that takes too long."""
        wanted = self._scrapes() + count
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._scrapes() >= wanted:
                return
            time.sleep(0.2)
        raise RuntimeError(f"Prometheus did not scrape every service: {self.samples('up')}")

    def _scrapes(self) -> int:
        """How often the service that was scraped least answered."""
        found = self.samples("sum_over_time(up[10m])")
        return min(int(one["value"][1]) for one in found) if len(found) == len(PARTS) else 0


def texts_of(mesh: MeshProcess) -> dict[str, tuple[int, str]]:
    """The port of each service's /metrics, and what it says."""
    found: dict[str, tuple[int, str]] = {}
    for name in PARTS:
        ports = {one.laddr.port for one in mesh.part(name).net_connections() if one.status == psutil.CONN_LISTEN}
        for port in sorted(ports):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
                    found[name] = port, reply.read().decode()
            except (OSError, HTTPException):
                continue  # it speaks gRPC
    return found


@contextmanager
def scraping(folder: Path, ports: Mapping[str, int]) -> Iterator[Prometheus]:
    """A Prometheus in `folder` that scrapes the services at these ports of 127.0.0.1 until the block ends."""
    port = free_port()
    (folder / "prometheus.json").write_text(json.dumps(_configuration(ports)))
    url = f"http://127.0.0.1:{port}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    log, environment = folder / "prometheus.log", clean_environment()
    with parts.child(command, log, healthy=f"{url}/-/ready", seconds=START_SECONDS, env=environment):
        yield Prometheus(url)


def _configuration(ports: Mapping[str, int]) -> dict[str, Any]:
    jobs = [
        {
            "job_name": f"synapse-{name}",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": _labels(name)}],
        }
        for name, port in ports.items()
    ]
    every = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"}
    return {"global": every, "rule_files": [str(ALERTS)], "scrape_configs": jobs}


def _labels(name: str) -> dict[str, str]:
    component = {"cache": "proxy", "embed": "embeddings"}.get(name, name)
    return {
        "namespace": NAMESPACE,
        "pod": f"synapse-{component}-0",
        "service": f"synapse-{component}",
        "endpoint": "http",
        "app_kubernetes_io_part_of": "synapse",
        "app_kubernetes_io_component": component,
    }


def _json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found
