"""The wire's own questions over REST at the gateway: annotated like the admin API, and open to any key."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import LIMITED_KEY, VIEWER_KEY
from tests.e2e.test_cancel import has_left, until
from tests.e2e.upstream import Upstream, echo
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
GENERATE, STREAM = "/api/v1/generate", "/api/v1/generate:stream"
EVENTS = {"accept": "text/event-stream"}


def question(namespace: str, text: str = QUESTION, model: str = "echo") -> dict[str, Any]:
    asked = {"model": model, "kind": "GENERATION_KIND_CHAT", "messages": [{"role": "user", "text": text}]}
    return {"request": asked, "control": {"namespace": namespace}}


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]


def text_of(messages: list[dict[str, Any]]) -> str:
    deltas = (delta for message in messages for event in message["events"] for delta in event["deltas"])
    return "".join(delta.get("content", "") for delta in deltas)


def test_a_question_is_answered_and_then_hits(http: httpx.Client, namespace: str) -> None:
    first, second = (http.post(GENERATE, json=question(namespace)).raise_for_status().json() for _ in range(2))
    assert [reply["outcome"]["status"] for reply in (first, second)] == ["CACHE_STATUS_MISS", "CACHE_STATUS_HIT"]
    assert second["generation"]["choices"][0]["content"] == echo(QUESTION)


def test_a_stream_comes_as_events_as_lines_and_as_an_array(http: httpx.Client, namespace: str) -> None:
    asked = question(namespace)
    events = http.post(STREAM, json=asked, headers=EVENTS).raise_for_status()
    lines = http.post(STREAM, json=asked, headers={"accept": "application/x-ndjson"}).raise_for_status()
    array = http.post(STREAM, json=asked).raise_for_status()
    assert events.headers["content-type"].startswith("text/event-stream")
    assert text_of(events_of(events.text)) == text_of(array.json()) == echo(QUESTION)
    assert json.loads(lines.text.splitlines()[0])["outcome"]["status"] == "CACHE_STATUS_HIT"


def test_an_error_before_a_stream_keeps_its_status(http: httpx.Client, namespace: str) -> None:
    reply = http.post(STREAM, json=question(namespace, model="fail/429"), headers=EVENTS)
    assert reply.status_code == 429


def test_an_error_within_a_stream_is_its_last_event(http: httpx.Client, namespace: str) -> None:
    reply = http.post(STREAM, json=question(namespace, model="late-error"), headers=EVENTS)
    assert reply.status_code == 200
    assert "Overheated" in events_of(reply.text)[-1]["error"]["message"]


def test_a_viewer_may_ask_and_embed_and_count(mesh_double: MeshProcess, namespace: str) -> None:
    headers = {"authorization": f"Bearer {VIEWER_KEY}"}
    with httpx.Client(base_url=mesh_double.endpoint.url, headers=headers, timeout=30) as viewer:
        assert viewer.post(GENERATE, json=question(namespace)).status_code == 200
        vectors = viewer.post("/api/v1/embed", json={"inputs": ["tea"]}).raise_for_status().json()
        assert len(vectors["embeddings"][0]["values"]) == 384
        counted = viewer.post("/api/v1/tokens:count", json={"request": question(namespace)["request"]})
        assert int(counted.raise_for_status().json()["input_tokens"]) > 0
        asked = viewer.post("/api/v1/backends:generate", json={"request": question(namespace)["request"]})
        assert asked.raise_for_status().json()["generation"]["choices"][0]["content"] == echo(QUESTION)


@pytest.mark.parametrize("path", [GENERATE, STREAM, "/api/v1/backends:generate", "/api/v1/backends:stream"])
def test_a_key_asks_only_its_models(mesh_double: MeshProcess, namespace: str, path: str) -> None:
    asked = {"request": question(namespace, model="slow")["request"]}
    headers = {"authorization": f"Bearer {LIMITED_KEY}"}
    reply = httpx.post(f"{mesh_double.endpoint.url}{path}", json=asked, headers=headers, timeout=30)
    assert reply.status_code == 403


def test_a_reader_who_leaves_a_stream_ends_the_backend_s_work(
    http: httpx.Client, upstream: Upstream, namespace: str
) -> None:
    text = f"Tell me everything of {namespace}."
    with http.stream("POST", STREAM, json=question(namespace, text, "slow"), headers=EVENTS) as reply:
        assert next(reply.iter_lines()).startswith("data: ")
    assert until(has_left(upstream, text))
