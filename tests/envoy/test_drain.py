"""How an Envoy ends: what runs is finished, and clients go elsewhere by themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.envoy.clients import STREAM, GrpcClient, events_of, question, text_of, text_of_events
from tests.envoy.conftest import ACME_KEY
from tests.support.envoy_server import Envoy, running_envoy

DRAIN_SECONDS = 30


@pytest.fixture
def ending(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any]) -> Iterator[Envoy]:
    """An Envoy of the test's own."""
    with running_envoy(tmp_path_factory.mktemp("ending"), {"services": services}) as running:
        yield running


def rest_stream(envoy: Envoy, namespace: str) -> str:
    asked = question(namespace, f"Over REST of {namespace}?", "slow")
    reply = httpx.post(f"{envoy.url}{STREAM}", json=asked, headers={"authorization": f"Bearer {ACME_KEY}"}, timeout=30)
    return text_of_events(events_of(reply.raise_for_status()))


def test_a_drain_waits_for_streams_and_loses_nothing(ending: Envoy, namespace: str) -> None:
    over_rest: list[str] = []
    reader = threading.Thread(target=lambda: over_rest.append(rest_stream(ending, namespace)))
    with GrpcClient(ending.address, ACME_KEY, namespace) as client:
        stream = client.stream(model="slow")
        messages = [next(stream)]
        reader.start()
        while ending.active() < 2:
            time.sleep(0.02)
        with ending.drain(DRAIN_SECONDS) as drain:
            assert not_ready(ending)
            assert drain.poll() is None, "two streams run"
            messages += list(stream)
            reader.join(DRAIN_SECONDS)
            assert drain.wait(DRAIN_SECONDS) == 0
    assert text_of(messages).endswith("w199")
    assert over_rest[0].endswith("w199")


def test_a_drain_without_requests_is_short_and_still_serves(ending: Envoy, namespace: str) -> None:
    """Kubernetes sends new calls for a moment after it has decided to end a pod."""
    began = time.monotonic()
    with ending.drain(DRAIN_SECONDS) as drain:
        assert drain.wait(DRAIN_SECONDS) == 0
    assert time.monotonic() - began < DRAIN_SECONDS / 3
    with GrpcClient(ending.address, ACME_KEY, namespace) as client:
        assert client.generate().generation.choices


def test_a_drain_ends_at_its_bound(ending: Envoy, namespace: str) -> None:
    with GrpcClient(ending.address, ACME_KEY, namespace) as client:
        stream = client.stream(model="slow")
        next(stream)
        with ending.drain(1) as drain:
            assert drain.wait(DRAIN_SECONDS) == 0
        assert next(stream).events, "the stream outlasts it"
        stream.cancel()


def not_ready(envoy: Envoy) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if httpx.get(f"{envoy.metrics}/ready", timeout=5).status_code == 503:
            return True
        time.sleep(0.05)
    return False
