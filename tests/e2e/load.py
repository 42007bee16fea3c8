"""A small steady load on a mesh, which keeps every reply's status, time and whether it was right."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.e2e.upstream import echo
from tests.support.mesh import MeshProcess

WORKERS = 4
PAUSE_SECONDS = 0.02
TOPICS = ("tea", "bread", "soup", "rice", "pasta", "jam", "cheese", "honey")


@dataclass(frozen=True)
class Sample:
    """One reply: when it came, how long it took, HTTP status, what the cache did, and whether the answer was right."""

    at: float
    seconds: float
    http_status: int
    cache_status: str
    is_right: bool


@dataclass
class Load:
    """What has come back so far."""

    samples: list[Sample] = field(default_factory=list)

    def failures(self) -> list[Sample]:
        """Replies that were errors or wrong."""
        return [sample for sample in self.samples if sample.http_status != 200 or not sample.is_right]

    def slowest(self) -> float:
        """The longest time of a reply, in seconds."""
        return max(sample.seconds for sample in self.samples)

    def since(self, at: float) -> list[Sample]:
        """Replies that came after `at`."""
        return [sample for sample in self.samples if sample.at > at]

    def wait_for_hit(self, seconds: float) -> bool:
        """Whether a hit comes within `seconds` from now."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if any(sample.cache_status.startswith("HIT") for sample in self.since(began)):
                return True
            time.sleep(0.05)
        return False


@contextmanager
def running_load(mesh: MeshProcess, namespace: str) -> Iterator[Load]:
    """Ask from several threads until the block ends: known questions, each now and then a new one."""
    load, stopping = Load(), threading.Event()
    threads = [
        threading.Thread(target=_ask, args=(mesh, namespace, number, load, stopping)) for number in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)


def _ask(mesh: MeshProcess, namespace: str, worker: int, load: Load, stopping: threading.Event) -> None:
    headers = {"authorization": f"Bearer {mesh.endpoint.key}", "x-synapse-namespace": namespace}
    with httpx.Client(base_url=mesh.endpoint.url, headers=headers, timeout=30) as client:
        turn = 0
        while not stopping.is_set():
            turn += 1
            topic = TOPICS[turn % len(TOPICS)]
            known = turn % 4 != 0
            prompt = f"How is {topic} made?" if known else f"How many grams of {topic} are in box {worker}-{turn}?"
            load.samples.append(_sample(client, prompt))
            time.sleep(PAUSE_SECONDS)


def _sample(client: httpx.Client, prompt: str) -> Sample:
    began = time.monotonic()
    try:
        body = {"model": "echo", "messages": [{"role": "user", "content": prompt}]}
        reply = client.post("/v1/chat/completions", json=body)
    except httpx.HTTPError:
        return Sample(time.monotonic(), time.monotonic() - began, 0, "", is_right=False)
    right = reply.status_code == 200 and reply.json()["choices"][0]["message"]["content"] == echo(prompt)
    done = time.monotonic()
    status = reply.headers.get("x-synapse-cache-status", "")
    return Sample(done, done - began, reply.status_code, status, is_right=right)
