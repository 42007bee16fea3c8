"""A load on a release from several threads, whole and streamed, that keeps what went wrong.

A question is sent anew only where every SDK does so: on a kept connection that ended before a byte of an answer came.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.cluster.release import Release
from tests.e2e.upstream import SLOW_WORDS, echo

TIMEOUT_SECONDS = 60.0
JOIN_SECONDS = 90.0
_PAUSE_SECONDS = 0.03
_TOPICS = ("tea", "bread", "soup", "rice", "pasta", "jam", "cheese", "honey")
_WHOLE_STREAM = " ".join(f"w{number}" for number in range(SLOW_WORDS))


@dataclass
class Load:
    """What has come back so far: how many good replies of each sort, and every failure in words."""

    good: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def note(self, sort: str, trouble: str) -> None:
        """One reply; `trouble` is empty when it was right."""
        if trouble:
            self.failures.append(f"{time.strftime('%X')} {sort}: {trouble}")
        else:
            self.good[sort] = self.good.get(sort, 0) + 1


@contextmanager
def running_load(release: Release, namespace: str, *, more: tuple[Callable[[Load], None], ...] = ()) -> Iterator[Load]:
    """Ask until the block ends: known and new questions whole, long answers in streams, and what `more` asks."""
    load = Load()

    def whole() -> None:
        _ask_whole(release, namespace, load)

    def streamed() -> None:
        _ask_streamed(release, namespace, load)

    threads = [threading.Thread(target=work) for work in (whole, whole, streamed, streamed)]
    threads += [threading.Thread(target=work, args=(load,)) for work in more]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join(JOIN_SECONDS)


def _ask_whole(release: Release, namespace: str, load: Load) -> None:
    """Ask `echo`, every fourth question a new one."""
    worker = threading.get_ident()
    with _client(release, namespace) as client:
        turn = 0
        while not load.over.wait(_PAUSE_SECONDS):
            turn += 1
            topic = _TOPICS[turn % len(_TOPICS)]
            prompt = f"How is {topic} made?" if turn % 4 else f"How many grams of {topic} are in box {worker}-{turn}?"
            load.note("whole", _whole(client, prompt))


def _whole(client: httpx.Client, prompt: str) -> str:
    body = {"model": "echo", "messages": [{"role": "user", "content": prompt}]}
    try:
        try:
            reply = client.post("/v1/chat/completions", json=body)
        except httpx.RemoteProtocolError:  # the server closed the connection while the question was on its way
            reply = client.post("/v1/chat/completions", json=body)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    if reply.status_code != 200:
        return f"{reply.status_code} {reply.text[:300]}"
    said = reply.json()["choices"][0]["message"]["content"]
    return "" if said == echo(prompt) else f"wrong answer to {prompt!r}: {said!r}"


def _ask_streamed(release: Release, namespace: str, load: Load) -> None:
    """Ask `slow`, whose answers take seconds, past the cache."""
    with _client(release, namespace) as client:
        while not load.over.wait(_PAUSE_SECONDS):
            load.note("streamed", _streamed(client))


def _streamed(client: httpx.Client) -> str:
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Count."}]}
    words = []
    try:
        with client.stream(
            "POST", "/v1/chat/completions", json=body, headers={"x-synapse-skip-cache": "true"}
        ) as reply:
            if reply.status_code != 200:
                return f"{reply.status_code} {reply.read()[:300]!r}"
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:]).get("choices") or [{}]
                    words.append((choices[0].get("delta") or {}).get("content") or "")
    except httpx.HTTPError as error:
        return f"{type(error).__name__} after {len(words)} pieces: {error}"
    return "" if "".join(words) == _WHOLE_STREAM else f"a stream of {len(words)} pieces: {''.join(words)[-80:]!r}"


def _client(release: Release, namespace: str) -> httpx.Client:
    headers = {**release.headers, "x-synapse-namespace": namespace}
    return httpx.Client(base_url=release.url, headers=headers, timeout=TIMEOUT_SECONDS)
