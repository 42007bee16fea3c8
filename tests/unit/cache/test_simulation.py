"""Replays of the log under other thresholds: what holds whatever was logged, and single cases told in full."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.analytics.request_log import Logged
from synapse_cache.analytics.simulation import Bars, simulate, upper_bound
from synapse_cache.model import Status, Tier
from synapse_cache.thresholds.thresholds import Thresholds
from tests.support.logged import a_hit_by_meaning, a_miss, a_refusal, an_exact_hit

HELD = Thresholds(
    hit_similarity=0.7, partial_similarity=0.6, ttl_seconds=3600, semantic_ttl_seconds=7200, max_error=0.01
)
BAR = 0.05

cosines = st.floats(0.6, 1.0)
errors = st.floats(0.0, 1.0)
keys = st.sampled_from(["a" * 64, "b" * 64, "c" * 64])


@st.composite
def decided(draw: st.DrawFn) -> Logged:
    """A request as the cache decides under HELD: looked up, judged, served or not."""
    key, namespace = draw(keys), draw(st.sampled_from(["default", "other"]))
    kind = draw(st.sampled_from(["exact", "alias", "judged", "vetoed", "unseen", "bypass", "down", "suspended"]))
    where = {"key": key, "namespace": namespace}
    if kind in {"exact", "alias"}:
        return an_exact_hit(reason=kind, age_seconds=draw(st.floats(0, 3600)), **where)
    if kind == "bypass":
        return an_exact_hit(status=Status.BYPASS, **where)
    if kind in {"unseen", "down"}:
        return a_miss(reason="redis_unavailable" if kind == "down" else "no_candidate", **where)
    similarity, error, age = draw(cosines), draw(errors), draw(st.floats(0, 7200))
    if kind in {"vetoed", "suspended"}:
        veto = {"best_veto": "number"} if kind == "vetoed" else {"best_error": error}
        return a_miss(reason=kind, best_similarity=similarity, bar=BAR, **veto, **where)
    judged = {"best_similarity": similarity, "best_error": error}
    if similarity >= HELD.hit_similarity and error <= BAR:
        return a_hit_by_meaning(age_seconds=age, **judged, **where)
    return a_refusal(**judged, **where)


histories = st.lists(decided(), max_size=30)
thresholds = st.builds(
    Thresholds,
    hit_similarity=st.floats(0.5, 1.0),
    partial_similarity=st.just(0.5),
    ttl_seconds=st.floats(1, 10_000),
    semantic_ttl_seconds=st.floats(1, 20_000),
    max_error=st.floats(0, 0.5),
    shadow=st.booleans(),
)


def hits(records: list[Logged], wanted: Thresholds) -> int:
    projection = simulate(records, wanted, held=HELD).simulated
    return projection.hits_exact + projection.hits_semantic


@given(histories)
def test_the_thresholds_that_held_reproduce_what_happened(records: list[Logged]) -> None:
    done = simulate(records, HELD, held=HELD)
    assert done.simulated == done.current
    assert done.current.hits_semantic == sum(one.hit and one.tier is Tier.L2 for one in records)
    assert done.current.tokens == sum(one.tokens for one in records if one.hit)


@given(histories, thresholds, thresholds)
def test_stricter_thresholds_never_hit_more(records: list[Logged], one: Thresholds, other: Thresholds) -> None:
    stricter = Thresholds(
        hit_similarity=max(one.hit_similarity, other.hit_similarity),
        partial_similarity=0.5,
        ttl_seconds=min(one.ttl_seconds, other.ttl_seconds),
        semantic_ttl_seconds=min(one.semantic_ttl_seconds, other.semantic_ttl_seconds),
        max_error=min(one.max_error, other.max_error),
        shadow=one.shadow or other.shadow,
    )
    assert hits(records, stricter) <= min(hits(records, one), hits(records, other))


@given(histories, thresholds)
def test_no_projection_contradicts_itself(records: list[Logged], wanted: Thresholds) -> None:
    done = simulate(records, wanted, held=HELD).simulated
    assert done.hits_exact + done.hits_semantic <= done.requests <= len(records)
    assert 0 <= done.expected_error <= done.error_bound <= 1
    assert done.tokens >= 0


def test_a_looser_error_serves_what_was_above_the_bar() -> None:
    done = simulate([a_hit_by_meaning(), a_refusal()], replace(HELD, max_error=0.05), held=HELD)
    assert (done.current.hits_semantic, done.simulated.hits_semantic) == (1, 2)
    assert done.simulated.tokens == 24
    assert done.simulated.expected_error == pytest.approx((0.02 + 0.08) / 2)


def test_a_stricter_similarity_turns_a_hit_into_a_miss_and_says_so() -> None:
    done = simulate([a_hit_by_meaning()], replace(HELD, hit_similarity=0.95), held=HELD)
    assert (done.simulated.hits_semantic, done.simulated.expected_error) == (0, 0)
    assert any("1 hits become misses" in text for text in done.caveats)


@pytest.mark.parametrize("veto", ["number", "denied"])
def test_what_a_veto_turned_away_stays_turned_away(veto: str) -> None:
    loosest = Thresholds(hit_similarity=0, partial_similarity=0, max_error=1)
    assert hits([a_refusal(best_veto=veto)], loosest) == 0


def test_a_miss_that_thresholds_do_not_explain_stays_one() -> None:
    gone = a_miss(reason="entry_gone", best_similarity=0.9, best_error=0.01, bar=0.05)
    assert hits([gone], replace(HELD, max_error=0.9)) == 0


def test_shadow_off_serves_what_was_only_recorded() -> None:
    shadowed = a_hit_by_meaning(status=Status.MISS, reason="shadow", shadow=True)
    held = replace(HELD, shadow=True)
    assert simulate([shadowed], held, held=held).simulated.hits_semantic == 0
    assert simulate([shadowed], HELD, held=held).simulated.hits_semantic == 1


def test_a_shorter_life_leaves_old_answers_to_meaning_and_then_to_nobody() -> None:
    old = an_exact_hit(age_seconds=3000.0)
    assert simulate([old], replace(HELD, ttl_seconds=60), held=HELD).simulated.hits_semantic == 1
    assert hits([old], replace(HELD, ttl_seconds=60, semantic_ttl_seconds=60)) == 0
    assert hits([replace(old, exact_only=True)], replace(HELD, ttl_seconds=60)) == 0


def test_a_stale_hit_needs_its_window() -> None:
    stale = an_exact_hit(age_seconds=4000.0, stale=True, exact_only=True)
    assert hits([stale], HELD) == 0
    assert hits([stale], replace(HELD, stale_if_error_seconds=600)) == 1


def test_a_callers_own_bound_still_holds() -> None:
    assert hits([a_refusal(asked_error=0.01)], replace(HELD, max_error=0.5)) == 0


def test_an_alias_is_as_wrong_as_the_decision_behind_it() -> None:
    records = [a_hit_by_meaning(), an_exact_hit(key="b" * 64, reason="alias")]
    assert simulate(records, HELD, held=HELD).current.expected_error == pytest.approx(0.02)
    refused = simulate(records, replace(HELD, hit_similarity=0.95), held=HELD).simulated
    assert (refused.hits_exact, refused.expected_error) == (1, 0)


def test_a_hit_without_a_probability_counts_as_its_bound_allowed() -> None:
    unjudged = a_hit_by_meaning(best_error=None, bar=None)
    done = simulate([unjudged], HELD, held=HELD)
    assert done.current.expected_error == 0.01
    assert any("no probability" in text for text in done.caveats)


def test_an_empty_log_proves_nothing() -> None:
    done = simulate([], HELD, held=HELD)
    assert (done.current.hit_rate, done.current.error_bound) == (0, 1)
    assert any("no request" in text for text in done.caveats)


def test_longer_lives_are_said_to_be_unknown() -> None:
    done = simulate([an_exact_hit()] * 400, replace(HELD, ttl_seconds=7200), held=HELD)
    assert any("longer lives" in text for text in done.caveats)


def test_enough_exact_hits_need_no_caution() -> None:
    assert simulate([an_exact_hit()] * 400, HELD, held=HELD).caveats == ()


def test_a_bar_follows_the_budget_of_its_namespace() -> None:
    bars = Bars()
    for _ in range(200):
        bars.note(a_refusal(best_error=0.02))
    one = a_refusal(max_error=0.01, bar=0.01)
    assert bars.bar(0.01, one) == 0.01
    assert bars.bar(0.1, one) > bars.bar(0.02, one) >= 0.01


@given(st.integers(1, 100_000))
def test_the_bound_without_an_error_is_that_of_clopper_and_pearson(requests: int) -> None:
    assert upper_bound(0, requests) == pytest.approx(1 - 0.05 ** (1 / requests), rel=1e-6)


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_the_bound_lies_above_the_share_and_grows_with_it(requests: int, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert low <= upper_bound(low * requests, requests) <= upper_bound(high * requests, requests) + 1e-12 <= 1 + 1e-12
    assert upper_bound(low * requests, requests) <= low + math.sqrt(math.log(20) / (2 * requests)) + 1e-9
