"""The admin REST API against the running mesh."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.e2e.upstream import echo
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
CACHED = {"cache-control": "only-if-cached"}


def stats(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/v1/stats").raise_for_status().json()
    return found


def test_the_hit_rate_is_a_number_at_the_top(http: httpx.Client) -> None:
    assert isinstance(stats(http)["cache_hit_rate"], float | int)
    assert 0 <= stats(http)["cache_hit_rate"] <= 1


def test_the_hit_rate_is_a_number_before_the_first_request(mesh_double: MeshProcess) -> None:
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    found = httpx.get(f"{mesh_double.endpoint.url}/api/v1/stats", headers=headers, timeout=10).json()
    assert isinstance(found["cache_hit_rate"], float | int)


def test_statistics_count_what_happened(ask: Asker, http: httpx.Client) -> None:
    before = stats(http)
    ask(QUESTION)
    ask(QUESTION)
    ask(REWORDED)
    ask(QUESTION, extra_headers={"x-synapse-skip-cache": "true"})
    after = stats(http)
    names = ("requests", "hits", "hits_exact", "hits_semantic", "misses", "bypasses", "stores")
    assert {name: int(after[name]) - int(before[name]) for name in names} == {
        "requests": 4,
        "hits": 2,
        "hits_exact": 1,
        "hits_semantic": 1,
        "misses": 1,
        "bypasses": 1,
        "stores": 1,
    }
    assert int(after["tokens_saved"]) - int(before["tokens_saved"]) == 2 * 55
    assert set(after["dependencies"].values()) == {"ok"}


def test_an_entry_is_shown_by_its_id(ask: Asker, http: httpx.Client, namespace: str) -> None:
    stored = ask(QUESTION, extra_headers={"x-synapse-tags": "geo,europe"}).headers["x-synapse-entry-id"]
    entry = http.get(f"/api/v1/cache/{stored}").raise_for_status().json()["entry"]
    assert entry["id"] == stored
    assert entry["prompt"] == QUESTION
    assert entry["namespace"] == namespace
    assert entry["tags"] == ["geo", "europe"]
    assert entry["generation"]["choices"][0]["content"] == echo(QUESTION)


def test_a_deleted_entry_is_gone_by_key_and_by_meaning(ask: Asker, http: httpx.Client) -> None:
    stored = ask(QUESTION).headers["x-synapse-entry-id"]
    assert ask(REWORDED).status == "HIT-L2"
    assert http.delete(f"/api/v1/cache/{stored}").raise_for_status().json()["removed"] in {1, "1"}
    assert http.get(f"/api/v1/cache/{stored}").status_code == 404
    assert http.delete(f"/api/v1/cache/{stored}").status_code == 404
    for prompt in (QUESTION, REWORDED, "Tell me the capital of France."):
        with pytest.raises(openai.InternalServerError):
            ask(prompt, extra_headers=CACHED)


def test_a_flushed_namespace_is_empty_at_once_and_others_are_not(
    ask: Asker, http: httpx.Client, namespace: str
) -> None:
    elsewhere = {"x-synapse-namespace": f"{namespace}-other"}
    ask(QUESTION)
    ask(QUESTION, extra_headers=elsewhere)
    http.post("/api/v1/cache:invalidate", json={"namespace": namespace}).raise_for_status()
    assert ask(QUESTION).status == "MISS"
    assert ask(QUESTION, extra_headers=elsewhere).status == "HIT-L1"
    assert ask(REWORDED).status == "HIT-L2"


def test_an_entry_is_invalidated_by_its_key(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION)
    key = ask(QUESTION).headers["cache-status"].partition('key="')[2].partition('"')[0]
    http.post("/api/v1/cache:invalidate", json={"key": key, "namespace": namespace}).raise_for_status()
    assert ask(QUESTION).status == "MISS"


def test_an_answer_is_stored_looked_up_and_served(ask: Asker, http: httpx.Client, namespace: str) -> None:
    question = {"model": "echo", "messages": [{"role": "user", "text": QUESTION}], "kind": 1, "protocol": 1}
    choice = {"content": "Paris.", "finish_reason": "FINISH_REASON_STOP"}
    warm = {
        "request": question,
        "generation": {"model": "echo", "choices": [choice]},
        "control": {"namespace": namespace},
    }
    assert http.post("/api/v1/cache", json=warm).raise_for_status().json()["stored"] is True
    asked = {"request": question, "control": {"namespace": namespace}}
    looked_up = http.post("/api/v1/cache:lookup", json=asked).raise_for_status().json()
    assert looked_up["outcome"]["status"] == "CACHE_STATUS_HIT"
    assert ask(QUESTION).text == "Paris."


def test_another_tenant_sees_no_entry(ask: Asker, mesh_double: MeshProcess) -> None:
    stored = ask(QUESTION).headers["x-synapse-entry-id"]
    url, headers = f"{mesh_double.endpoint.url}/api/v1/cache/{stored}", {"authorization": f"Bearer {ACME_KEY}"}
    assert httpx.get(url, headers=headers, timeout=10).status_code == 404
    assert httpx.delete(url, headers=headers, timeout=10).status_code == 404
    assert ask(QUESTION).status == "HIT-L1"


def test_a_viewer_reads_and_changes_nothing(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=VIEWER_KEY) as viewer:
        stored = viewer(QUESTION).headers["x-synapse-entry-id"]
    url, headers = f"{mesh_double.endpoint.url}/api/v1/cache/{stored}", {"authorization": f"Bearer {VIEWER_KEY}"}
    assert httpx.get(url, headers=headers, timeout=10).status_code == 200
    refused = httpx.delete(url, headers=headers, timeout=10)
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize("body", [{}, {"id": "a", "key": "b"}, {"nonsense": 1}, {"namespace": 7}])
def test_an_invalidation_that_is_not_clear_is_refused(http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.post("/api/v1/cache:invalidate", json=body).status_code == 400
