"""Answers past their end, as clients see them: served while a fresh one is fetched, and where the backends fail."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.asking import Asker, Reply, Streamed
from tests.e2e.conftest import LIMITED_KEY, asking
from tests.e2e.upstream import Upstream
from tests.support.mesh import MeshProcess

TENANT = "limited"
QUESTION = "Why is the sky blue?"


@pytest.fixture
def window(http: httpx.Client) -> Iterator[Any]:
    """Sets the stale windows of the tenant, for this test."""
    path = f"/api/v1/thresholds/tenants/{TENANT}"

    def set_windows(**seconds: float) -> None:
        http.put(path, json=seconds).raise_for_status()

    yield set_windows
    http.put(path, json={}).raise_for_status()


@pytest.fixture
def ask(mesh_double: MeshProcess, namespace: str) -> Iterator[Asker]:
    """Asks as the tenant."""
    with asking(mesh_double, namespace, api_key=LIMITED_KEY) as asker:
        yield asker


@pytest.fixture
def down(upstream: Upstream) -> Iterator[Upstream]:
    """The backend, up again at the end."""
    yield upstream
    upstream.is_down = False


def ended(ask: Asker) -> str:
    """An answer that has ended by now; returns its entry's id."""
    stored = ask(QUESTION, extra_headers={"x-synapse-ttl": "1"}).headers["x-synapse-entry-id"]
    time.sleep(2.2)
    return stored


def asked(ask: Asker, form: str, **headers: str) -> Reply | Streamed:
    return ask.in_form(form, QUESTION, extra_headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("form", ["plain", "streamed"])
def test_a_stale_answer_is_served_at_once_and_refreshed_behind(
    ask: Asker, window: Any, upstream: Upstream, form: str
) -> None:
    window(stale_while_revalidate_secs=60)
    stored, before = ended(ask), upstream.asked
    stale = asked(ask, form)
    assert stale.headers["x-synapse-entry-id"] == stored
    assert re.fullmatch(r'synapse; hit; ttl=-[12]; key="[0-9a-f]{64}"; detail="L1"', stale.headers["cache-status"])
    assert stale.headers["x-synapse-reason"] == "stale_while_revalidate"
    assert int(stale.headers["age"]) >= 2
    assert stale.text == f"You said: {QUESTION}"
    deadline = time.monotonic() + 5
    while (fresh := asked(ask, form).headers)["x-synapse-reason"] != "exact" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert fresh["x-synapse-entry-id"] != stored
    assert upstream.asked == before + 1


@pytest.mark.parametrize("form", ["plain", "streamed"])
def test_a_stale_answer_stands_in_for_a_backend_that_hangs_up(
    ask: Asker, window: Any, down: Upstream, form: str
) -> None:
    window(stale_if_error_secs=60)
    stored = ended(ask)
    down.is_down = True
    stale = asked(ask, form)
    assert stale.headers["x-synapse-entry-id"] == stored
    assert stale.headers["x-synapse-reason"] == "stale_if_error"
    assert "hit; ttl=-" in stale.headers["cache-status"]
    assert stale.headers["x-synapse-cache-status"] == "HIT-L1"


@pytest.mark.parametrize("control", ["no-cache", "max-age=1", "stale-if-error=1"])
def test_a_caller_may_prefer_the_failure(ask: Asker, window: Any, down: Upstream, control: str) -> None:
    window(stale_if_error_secs=60)
    ended(ask)
    down.is_down = True
    with pytest.raises(openai.APIStatusError) as caught:
        asked(ask, "plain", cache_control=control)
    assert caught.value.status_code >= 500


def test_without_a_window_the_failure_is_told(ask: Asker, down: Upstream) -> None:
    ended(ask)
    down.is_down = True
    with pytest.raises(openai.APIStatusError):
        asked(ask, "plain")


def test_the_calls_under_way_are_told_and_can_be_let_go(http: httpx.Client) -> None:
    told = http.get("/api/v1/coalescer/stats").raise_for_status().json()
    assert int(told["started"]) >= 0
    assert int(http.post("/api/v1/coalescer/flush").raise_for_status().json()["flushed"]) >= 0
