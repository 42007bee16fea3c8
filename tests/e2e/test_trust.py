"""What operators are told about wrong answers, in a running mesh."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.asking import Asker
from tests.e2e.upstream import Upstream

ALL = "/api/v1/thresholds"
QUESTION, REWORDED = "What is the capital of France?", "Can you tell me the capital of France?"
SECONDS = 10.0


@pytest.fixture
def audited(http: httpx.Client) -> Iterator[None]:
    """Every hit by meaning is audited."""
    http.patch(ALL, json={"audit_share": 1}).raise_for_status()
    yield
    http.delete(ALL).raise_for_status()


def bound(http: httpx.Client, namespace: str) -> dict[str, Any]:
    found = http.get("/api/v1/trust/bounds", params={"namespace": namespace}).raise_for_status().json()["bounds"]
    return dict(found[0]) if found else {}


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.usefixtures("audited")
def test_an_audit_asks_the_backend_behind_the_hit_and_is_told(
    ask: Asker, http: httpx.Client, namespace: str, upstream: Upstream
) -> None:
    ask(QUESTION)
    asked = upstream.asked
    assert ask(REWORDED).status == "HIT-L2"
    eventually(lambda: bound(http, namespace).get("audits") in {1, "1"})
    assert upstream.asked == asked + 1
    told = bound(http, namespace)
    assert {name: int(told[name]) for name in ("requests", "hits_semantic", "audits_open")} == {
        "requests": 2,
        "hits_semantic": 1,
        "audits_open": 1,
    }
    assert (told["lower"], told["upper"], told["suspended"], told["strictness"]) == (0, 0.5, False, 1)


@pytest.mark.usefixtures("audited")
def test_an_audited_wording_has_an_answer_of_its_own(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION)
    served = ask(REWORDED)
    eventually(lambda: bound(http, namespace).get("audits") in {1, "1"})
    eventually(lambda: ask(REWORDED).headers["x-synapse-entry-id"] != served.headers["x-synapse-entry-id"])
    assert ask(REWORDED).text == f"You said: {REWORDED}"
