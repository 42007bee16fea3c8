"""The chart in a cluster: rendered by Helm, with a small LLM and a double of a backend as Services beside it."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from tests.support import helm, parts
from tests.support.cluster import images
from tests.support.cluster.cluster import Cluster, ClusterError
from tests.support.cluster.manifests import Object, parse

NAME = "synapse"
NAMESPACE = "synapse"
LLM_MODEL = "smollm2"
READY_SECONDS = 90.0
_SETTLED_ROW = 6
_BACKENDS = Path(__file__).with_name("backends.yaml")
_VALUES = {
    "providers": {
        "openai": {"enabled": False},
        "vllm": {"enabled": True, "endpoint": "http://llm:8000/v1", "models": [LLM_MODEL]},
        "custom": {
            "enabled": True,
            "endpoint": "http://backend:8000",
            "apiType": "openai",
            "models": ["echo", "slow"],
        },
    },
    "tests": {"model": "echo"},
    "gateway": {"replicaCount": 2},
    "proxy": {"replicaCount": 2},
    "envoy": {"replicaCount": 2},
}


@dataclass(frozen=True)
class Release:
    """A release of the chart that runs in a cluster."""

    cluster: Cluster
    name: str
    manifests: str

    @cached_property
    def key(self) -> str:
        """The Synapse key that the chart generated."""
        return self.secret("secrets", "synapse-api-key")

    @cached_property
    def url(self) -> str:
        """The gateway's URL on this machine."""
        return f"http://{self.cluster.forward(f'svc/{self.full}-gateway', 8080)}"

    @cached_property
    def client(self) -> httpx.Client:
        """A client whose every request is a connection of its own, and so may meet another replica."""
        return httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0), timeout=60)

    @property
    def full(self) -> str:
        """What the names of the release's objects begin with."""
        return self.name if NAME in self.name else f"{self.name}-{NAME}"

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request one of the operator's."""
        return {"authorization": f"Bearer {self.key}"}

    def secret(self, name: str, key: str) -> str:
        """A key of one of the chart's Secrets."""
        found = self.object("Secret", f"{self.full}-{name}")
        encoded = (found.get("data") or {}).get(key)
        return base64.b64decode(encoded).decode() if encoded else str(found["stringData"][key])

    def object(self, kind: str, name: str) -> Object:
        """An object as it was rendered."""
        return next(
            one for one in parse(self.manifests, NAMESPACE) if (one["kind"], one["metadata"]["name"]) == (kind, name)
        )

    def sdk(self, namespace: str = "default", *, retries: int = 0) -> OpenAI:
        """An OpenAI client with nothing changed but base URL and key."""
        headers = {"x-synapse-namespace": namespace}
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=retries, default_headers=headers)

    def ask(self, text: str, namespace: str, *, only_if_cached: bool = False) -> httpx.Response:
        """One question to the gateway, for the model that says it back."""
        body = {"model": "echo", "messages": [{"role": "user", "content": text}]}
        headers = {**self.headers, "x-synapse-namespace": namespace}
        if only_if_cached:
            headers["cache-control"] = "only-if-cached"
        return self.client.post(f"{self.url}/v1/chat/completions", json=body, headers=headers)

    def served(self, pod: str, port: int, series: str) -> float:
        """The sum of all series of a pod's metrics that begin so."""
        text = self.client.get(f"http://{self.cluster.forward(f'pod/{pod}', port)}/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(series))

    def install(self, *workloads: str) -> None:
        """Apply the release, of its workloads only those with these names if any are given."""
        objects = parse(self.manifests, NAMESPACE)
        left_out = [
            one for one in objects if workloads and _is_workload(one) and one["metadata"]["name"] not in workloads
        ]
        self.cluster.apply([one for one in objects if one not in left_out])

    def uninstall(self) -> None:
        """Take the release's workloads away."""
        for one in parse(self.manifests, NAMESPACE):
            if _is_workload(one):
                kind = "deploy" if one["kind"] == "Deployment" else "sts"
                with suppress(ClusterError):  # one that was left out
                    self.cluster.delete(f"{kind}/{one['metadata']['name']}")


def render(folder: Path, *, release: str = NAME, values: Mapping[str, Any] | None = None) -> str:
    """What Helm renders for the bundled values with these, or a test's usual ones, laid over them."""
    file = folder / f"{release}-values.json"
    file.write_text(json.dumps(_VALUES if values is None else values))
    command = [helm.binary(), "template", release, "./helm/synapse", "--namespace", NAMESPACE, "--kube-version", "1.30"]
    files = ["-f", "helm/synapse/values/self-hosted-bundled.yaml", "-f", str(file)]
    done = helm.run([*command, *files], parts.ROOT)
    assert done.status == 0, done.errors
    return done.output


@contextmanager
def installed(folder: Path) -> Iterator[Release]:
    """A cluster with the release in it, all of it ready."""
    try:
        with Cluster(
            NAMESPACE, speed=5.0, images={"backend": lambda: images.of_tests("tests.cluster.backend")}
        ) as cluster:
            manifests = render(folder)
            cluster.apply(f"{_BACKENDS.read_text()}\n---\n{manifests}")
            cluster.wait_ready(seconds=READY_SECONDS)
            release = Release(cluster, NAME, manifests)
            _settle(release)
            yield release
    except parts.PartMissing as absent:
        parts.missing(str(absent))


def _settle(release: Release) -> None:
    """Wait until every gateway and every Envoy knows the replicas behind it, so that equal questions meet at once."""
    door = f"http://{release.cluster.forward(f'svc/{release.full}-envoy', 50050)}/api/v1/stats"

    def both_know(turn: int) -> bool:
        text = f"Is everything settled by turn {turn}?"
        pair = [release.ask(text, "settling").headers.get("x-synapse-cache-status", "") for _ in range(2)]
        return pair == ["MISS", "HIT-L1"] and release.client.get(door, headers=release.headers).status_code == 200

    row, deadline = 0, time.monotonic() + READY_SECONDS
    for turn in itertools.count():
        assert time.monotonic() < deadline, release.cluster.logs("app.kubernetes.io/name=synapse")[-5000:]
        row = row + 1 if both_know(turn) else 0
        if row == _SETTLED_ROW:
            return


def beside(release: Release, name: str, folder: Path, values: Mapping[str, Any]) -> Release:
    """A second release of this name in the same cluster, which asks the same backends; it is not yet applied."""
    return Release(release.cluster, name, render(folder, release=name, values={**_VALUES, **values}))


def _is_workload(one: Object) -> bool:
    return one["kind"] in {"Deployment", "StatefulSet"}
