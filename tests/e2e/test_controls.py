"""What a caller may ask of the cache in one request, and what the cache says that it did."""

from __future__ import annotations

import re
import time
from typing import Any

import openai
import pytest

from tests.e2e.asking import Asker, Reply
from tests.e2e.conftest import asking
from tests.e2e.upstream import Upstream, echo
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"


def asked(asker: Asker, prompt: str = QUESTION, **headers: str) -> Reply:
    """Ask with request headers; `max_error="0"` is x-synapse-max-error: 0."""
    names = {name: f"x-synapse-{name.replace('_', '-')}" for name in headers if name != "cache_control"}
    names["cache_control"] = "cache-control"
    return asker(prompt, extra_headers={names[name]: value for name, value in headers.items()})


def test_a_miss_says_that_it_was_stored(ask: Asker) -> None:
    headers = asked(ask).headers
    assert headers["cache-status"] == "synapse; fwd=miss; fwd-status=200; stored"
    assert headers["x-cache-status"] == "MISS"
    assert headers["x-synapse-reason"] == "no_candidate"
    assert "age" not in headers


def test_a_hit_says_where_the_answer_came_from(ask: Asker) -> None:
    stored = asked(ask).headers["x-synapse-entry-id"]
    time.sleep(1.1)
    headers = asked(ask).headers
    assert re.fullmatch(r'synapse; hit; ttl=86\d{3}; key="[0-9a-f]{64}"; detail="L1"', headers["cache-status"])
    assert headers["x-synapse-entry-id"] == stored
    assert headers["x-synapse-cache-tier"] == "L1"
    assert headers["x-cache-status"] == "HIT"
    assert int(headers["age"]) >= 1
    assert float(headers["x-synapse-latency-ms"]) < 1000
    assert headers["cache-control"] == "private, no-store"


def test_a_hit_by_meaning_tells_how_similar_the_questions_are(ask: Asker) -> None:
    asked(ask)
    headers = asked(ask, REWORDED).headers
    similarity = headers["x-synapse-similarity"]
    assert headers["x-cache-similarity"] == similarity
    assert f'detail="L2;sim={float(similarity):.3f}"' in headers["cache-status"]
    assert headers["x-synapse-cache-tier"] == "L2"


def test_every_reply_has_a_request_id_and_a_given_one_is_kept(ask: Asker) -> None:
    assert asked(ask).headers["x-request-id"]
    assert ask(QUESTION, extra_headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert int(asked(ask).headers["openai-processing-ms"]) < 1000


def test_no_store_serves_and_does_not_keep(ask: Asker) -> None:
    assert [asked(ask, cache_control="no-store").status for _ in range(2)] == ["MISS", "MISS"]
    assert "stored" not in asked(ask, cache_control="no-store").headers["cache-status"]
    asked(ask)
    assert asked(ask, cache_control="no-store").status == "HIT-L1"


def test_no_cache_asks_anew_and_keeps_the_new_answer(ask: Asker, upstream: Upstream) -> None:
    first, before = asked(ask), upstream.asked
    anew = asked(ask, cache_control="no-cache")
    assert (anew.status, upstream.asked) == ("MISS", before + 1)
    last = asked(ask)
    assert last.headers["x-synapse-entry-id"] == anew.headers["x-synapse-entry-id"]
    assert last.headers["x-synapse-entry-id"] != first.headers["x-synapse-entry-id"]


def test_max_age_refuses_what_is_older(ask: Asker) -> None:
    asked(ask)
    time.sleep(1.1)
    assert asked(ask, cache_control="max-age=1").status == "MISS"
    assert asked(ask, cache_control="max-age=600").status == "HIT-L1"


def test_only_if_cached_never_asks_the_backend(ask: Asker, upstream: Upstream) -> None:
    before = upstream.asked
    with pytest.raises(openai.InternalServerError) as caught:
        asked(ask, cache_control="only-if-cached")
    assert caught.value.status_code == 504
    assert caught.value.code == "only_if_cached_miss"
    assert upstream.asked == before
    asked(ask)
    assert asked(ask, cache_control="only-if-cached").status == "HIT-L1"


def test_skip_neither_looks_up_nor_keeps(ask: Asker, upstream: Upstream) -> None:
    asked(ask)
    before, reply = upstream.asked, asked(ask, skip_cache="true")
    assert (reply.status, reply.headers["cache-status"]) == ("BYPASS", "synapse; fwd=bypass; detail=skip")
    assert upstream.asked == before + 1
    assert reply.text == echo(QUESTION)


def test_passthrough_asks_the_backend_and_tells_what_a_lookup_found(ask: Asker, upstream: Upstream) -> None:
    asked(ask)
    before, reply = upstream.asked, asked(ask, passthrough="true")
    assert (reply.status, reply.headers["x-synapse-reason"]) == ("BYPASS", "passthrough_exact")
    assert upstream.asked == before + 1


def test_preview_tells_what_would_happen_and_asks_nobody(ask: Asker, upstream: Upstream) -> None:
    before, preview = upstream.asked, asked(ask, preview_cache="true")
    assert (preview.status, upstream.asked) == ("MISS", before)
    assert preview.json["synapse_metadata"]["cache_hit"] is False
    asked(ask)
    assert asked(ask, preview_cache="true").status == "HIT-L1"


def test_a_namespace_is_a_cache_of_its_own(ask: Asker, namespace: str) -> None:
    asked(ask)
    assert asked(ask, namespace=f"{namespace}-other").status == "MISS"
    assert asked(ask).status == "HIT-L1"


def test_a_ttl_ends_an_entry_s_life_by_key_and_by_meaning(ask: Asker) -> None:
    asked(ask, ttl="1")
    assert asked(ask).status == "HIT-L1"
    time.sleep(1.2)
    assert asked(ask, REWORDED, cache_control="no-store").status == "MISS"
    assert asked(ask).status == "MISS"


def test_max_error_zero_means_exact_matches_only(ask: Asker) -> None:
    asked(ask)
    assert asked(ask, REWORDED, max_error="0", cache_control="no-store").status == "MISS"
    assert asked(ask, max_error="0").status == "HIT-L1"
    assert asked(ask, REWORDED).status == "HIT-L2"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ttl", "soon"),
        ("max_error", "2"),
        ("skip_cache", "perhaps"),
        ("namespace", "a b"),
        ("cache_control", "max-age=x"),
    ],
)
def test_a_control_that_cannot_be_read_is_refused_by_name(ask: Asker, header: str, value: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        asked(ask, **{header: value})
    assert header.replace("_", "-") in caught.value.message


def test_the_body_tells_the_outcome_where_it_is_asked_to(ask: Asker) -> None:
    asked(ask)
    assert "synapse_metadata" not in asked(ask).json
    told: Any = ask(QUESTION, extra_body={"synapse_metadata": True}).json["synapse_metadata"]
    assert told.items() >= {"cache_hit": True, "cache_tier": "L1", "similarity": 1.0, "source": "cache"}.items()
    assert ask(QUESTION, extra_headers={"x-synapse-metadata": "body"}).json["synapse_metadata"]["cache_hit"]


def test_what_cannot_change_the_answer_is_not_in_the_key(ask: Asker) -> None:
    asked(ask)
    assert ask(QUESTION, user="ada", metadata={"team": "a"}, extra_body={"session_id": "s1"}).status == "HIT-L1"
    assert ask(QUESTION, temperature=0.5).status == "MISS"


def test_a_hot_temperature_is_never_cached(ask: Asker) -> None:
    replies = [ask(QUESTION, temperature=1.5) for _ in range(2)]
    assert [reply.status for reply in replies] == ["BYPASS", "BYPASS"]
    assert replies[0].headers["cache-status"] == "synapse; fwd=bypass; detail=temperature"


def test_another_tenant_never_hits(ask: Asker, mesh_double: MeshProcess, namespace: str) -> None:
    asked(ask)
    with asking(mesh_double, namespace, api_key="acme-key") as acme:
        assert asked(acme).status == "MISS"
        assert asked(acme, REWORDED).status == "HIT-L2"
