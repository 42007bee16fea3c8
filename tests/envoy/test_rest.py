"""REST through Envoy: what the protos annotate, transcoded; streams as events, errors as JSON."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from tests.e2e.test_cancel import has_left, until
from tests.e2e.upstream import Upstream, echo
from tests.envoy.clients import GENERATE, QUESTION, STREAM, events_of, question, text_of_events
from tests.support.envoy_server import Envoy
from tests.support.mesh import MeshProcess


def test_a_question_is_answered_and_then_hits(rest: httpx.Client, asked: dict[str, Any]) -> None:
    first, second = (rest.post(GENERATE, json=asked).raise_for_status().json() for _ in range(2))
    assert [reply["outcome"]["status"] for reply in (first, second)] == ["CACHE_STATUS_MISS", "CACHE_STATUS_HIT"]
    assert second["generation"]["choices"][0]["content"] == echo(QUESTION)


def test_a_stream_comes_as_events(rest: httpx.Client, asked: dict[str, Any]) -> None:
    reply = rest.post(STREAM, json=asked).raise_for_status()
    assert reply.headers["content-type"] == "text/event-stream"
    messages = events_of(reply)
    assert messages[0]["outcome"]["status"] == "CACHE_STATUS_MISS"
    assert text_of_events(messages) == echo(QUESTION)


def test_a_reader_who_leaves_a_stream_ends_the_backend_s_work(
    rest: httpx.Client, upstream: Upstream, namespace: str
) -> None:
    text = f"Tell me everything of {namespace}."
    with rest.stream("POST", STREAM, json=question(namespace, text, "slow")) as reply:
        assert next(reply.iter_lines()).startswith("data: ")
    assert until(has_left(upstream, text))


def test_the_admin_api_is_there(rest: httpx.Client, asked: dict[str, Any]) -> None:
    stored = rest.post(GENERATE, json=asked).raise_for_status().json()["outcome"]["entry_id"]
    assert 0 <= rest.get("/api/v1/stats").raise_for_status().json()["cache_hit_rate"] <= 1
    assert rest.get(f"/api/v1/cache/{stored}").raise_for_status().json()["entry"]["prompt"] == QUESTION
    assert rest.delete(f"/api/v1/cache/{stored}").raise_for_status().json() == {"removed": "1"}
    gone = rest.get(f"/api/v1/cache/{stored}")
    assert (gone.status_code, gone.json()["code"]) == (404, 5)


def test_it_says_what_the_gateway_says(rest: httpx.Client, mesh: MeshProcess) -> None:
    for path in ("/api/v1/thresholds", "/api/v1/models", "/api/v1/embed/models", "/api/v1/trust/bounds"):
        here = rest.get(path).raise_for_status().json()
        there = httpx.get(f"{mesh.endpoint.url}{path}", headers=rest.headers, timeout=10).raise_for_status().json()
        assert here == there


def test_vectors_ranks_and_counts_are_there(rest: httpx.Client, asked: dict[str, Any]) -> None:
    vectors = rest.post("/api/v1/embed", json={"inputs": ["tea", "coffee"]}).raise_for_status().json()
    assert [len(one["values"]) for one in vectors["embeddings"]] == [384, 384]
    counted = rest.post("/api/v1/tokens:count", json={"request": asked["request"]}).raise_for_status().json()
    assert int(counted["input_tokens"]) > 0


def test_an_export_comes_as_events(rest: httpx.Client, asked: dict[str, Any], namespace: str) -> None:
    rest.post(GENERATE, json=asked).raise_for_status()
    exported = events_of(rest.get("/api/v1/cache:export", params={"namespace": namespace}).raise_for_status())
    assert [message["entry"]["prompt"] for message in exported] == [QUESTION]


def test_a_backend_s_error_is_json_with_details(rest: httpx.Client, namespace: str) -> None:
    reply = rest.post(GENERATE, json=question(namespace, model="fail/429"))
    told = reply.json()
    assert (reply.status_code, told["code"]) == (429, 8)
    by_type = {detail["@type"].rpartition(".")[2]: detail for detail in told["details"]}
    assert by_type["ErrorInfo"]["reason"] == "PROVIDER_ERROR"
    assert by_type["RetryInfo"]["retry_delay"] == "7s"


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/", {}, 404),
        ("POST", "/synapse.cache.v1.CacheService/GetStats", {}, 404),
        ("PUT", "/api/v1/generate", {}, 404),
        ("POST", GENERATE, {"content": b"{"}, 400),
        ("POST", GENERATE, {"json": {"request": "tea"}}, 400),
        ("POST", GENERATE, {"json": {}}, 400),
        ("GET", "/api/v1/stats", {"params": {"nonsense": "1"}}, 400),
    ],
)
def test_what_cannot_be_answered_is_json(
    rest: httpx.Client, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    reply = rest.request(method, path, **options)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["message"]


def test_what_was_exported_can_be_imported_as_an_array(
    rest: httpx.Client, asked: dict[str, Any], namespace: str
) -> None:
    rest.post(GENERATE, json=asked).raise_for_status()
    exported = events_of(rest.get("/api/v1/cache:export", params={"namespace": namespace}).raise_for_status())
    rest.post("/api/v1/cache:invalidate", json={"namespace": namespace}).raise_for_status()
    entries = [message["entry"] for message in exported]
    assert rest.post("/api/v1/cache:import", json=entries).raise_for_status().json()["imported"] == "1"
    assert rest.post(GENERATE, json=asked).json()["outcome"]["status"] == "CACHE_STATUS_HIT"


def test_invalidations_are_told_as_they_happen(rest: httpx.Client, envoy: Envoy, namespace: str) -> None:
    with httpx.Client(base_url=envoy.url, headers=rest.headers, timeout=30) as watcher:
        flush = threading.Timer(0.3, rest.post, ["/api/v1/cache:invalidate"], {"json": {"namespace": namespace}})
        flush.start()
        with watcher.stream("GET", "/api/v1/invalidations:watch") as reply:
            told = next(line for line in reply.iter_lines() if namespace in line)
        flush.join()
    assert told.startswith("data: ")
