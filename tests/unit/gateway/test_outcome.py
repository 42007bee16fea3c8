"""What the cache did is told truthfully, in the standard's words and in ours."""

from __future__ import annotations

from synapse.cache.v1 import outcome_pb2
from synapse_gateway import outcome
from tests.support.cache_double import bypass, hit, miss


def told(given: outcome_pb2.Outcome) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in outcome.headers(given)}


def test_a_semantic_hit_says_how_similar() -> None:
    made = told(hit(outcome_pb2.CACHE_TIER_L2, similarity=0.962, reason="semantic"))
    assert made["cache-status"] == f'synapse; hit; ttl=3412; key="{"ab" * 32}"; detail="L2;sim=0.962"'
    assert made["x-synapse-cache-status"] == "HIT-L2"
    assert made["x-synapse-cache-tier"] == "L2"
    assert made["x-synapse-similarity"] == made["x-cache-similarity"] == "0.9620"
    assert made["age"] == "188"
    assert made["x-cache-status"] == "HIT"


def test_a_hit_by_meaning_says_how_likely_it_is_right_and_an_exact_one_does_not() -> None:
    by_meaning = told(hit(outcome_pb2.CACHE_TIER_L2, similarity=0.962, reason="verified", probability=0.99312))
    assert by_meaning["x-synapse-probability"] == "0.9931"
    assert "x-synapse-probability" not in told(hit())


def test_an_exact_hit_names_its_entry_and_what_it_saved() -> None:
    made = told(hit())
    assert made["cache-status"].endswith('detail="L1"')
    assert made["x-synapse-entry-id"] == "ent_1"
    assert made["x-synapse-reason"] == "exact"
    assert made["x-synapse-tokens-saved"] == "12"
    assert made["x-synapse-cost-saved"] == "0"
    assert made["x-synapse-latency-ms"] == "0.412"


def test_money_saved_is_told_in_dollars() -> None:
    saved = hit()
    for nanos, dollars in ((10**9, "1"), (1_250_000, "0.00125"), (12_000_000_001, "12.000000001")):
        saved.cost_saved_nanos = nanos
        assert told(saved)["x-synapse-cost-saved"] == dollars


def test_a_stale_hit_has_a_negative_ttl() -> None:
    stale = hit()
    stale.ttl.seconds = -12
    assert "; ttl=-12; " in told(stale)["cache-status"]


def test_a_hit_that_is_stale_by_less_than_a_second_says_so() -> None:
    stale = hit(stale=True, reason="stale_while_revalidate")
    stale.ttl.Clear()
    stale.ttl.FromMilliseconds(-300)
    made = told(stale)
    assert "; ttl=-1; " in made["cache-status"]
    assert made["x-synapse-reason"] == "stale_while_revalidate"


def test_a_miss_says_whether_it_was_stored() -> None:
    assert told(miss())["cache-status"] == "synapse; fwd=miss; fwd-status=200; stored"
    assert told(miss(stored=False))["cache-status"] == "synapse; fwd=miss; fwd-status=200"
    assert told(miss())["x-synapse-cache-status"] == "MISS"
    assert told(miss())["x-cache-status"] == "MISS"
    assert "age" not in told(miss())


def test_joined_calls_are_told_from_the_one_that_was_joined() -> None:
    assert told(miss(collapsed=True))["cache-status"] == "synapse; fwd=miss; collapsed"
    assert told(miss(collapsed=True))["x-coalesced"] == "piggybacked"
    assert told(miss(shared=True))["x-coalesced"] == "original"
    assert "x-coalesced" not in told(miss())


def test_a_bypass_says_why() -> None:
    made = told(bypass("no-store"))
    assert made["cache-status"] == "synapse; fwd=bypass; detail=no-store"
    assert made["x-synapse-cache-status"] == "BYPASS"
    assert told(bypass("two words"))["cache-status"].endswith('detail="two words"')


def test_nothing_that_would_break_a_header_goes_out() -> None:
    made = told(hit(reason='a"b\r\nc', entry_id="é"))
    assert made["x-synapse-reason"] == "a?b??c"
    assert made["x-synapse-entry-id"] == "?"


def test_the_body_member_says_the_same() -> None:
    assert outcome.metadata(hit(outcome_pb2.CACHE_TIER_L2, similarity=0.9)) == {
        "cache_hit": True,
        "cache_tier": "L2",
        "similarity": 0.9,
        "source": "cache",
        "latency_ms": 0.412,
    }
    assert outcome.metadata(miss())["source"] == "backend"
