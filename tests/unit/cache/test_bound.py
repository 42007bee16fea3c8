"""The interval of errors: its ends, and that it holds however often and whenever somebody looks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_cache.trust import bound
from synapse_cache.trust.evidence import Tally

RUNS = 300
AUDITS = 400
LOOKS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 200, 300, 400)
counts = st.integers(0, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_the_interval_holds_the_share_that_was_seen(found):
    wrong, audits = found
    lower, upper = bound.interval(wrong, audits)
    assert 0 <= lower <= (wrong / audits if audits else 0) <= upper <= 1


@given(counts)
def test_what_is_wrong_for_some_is_right_for_the_others(found):
    wrong, audits = found
    lower, upper = bound.interval(wrong, audits)
    mirrored = bound.interval(audits - wrong, audits)
    assert mirrored == pytest.approx((1 - upper, 1 - lower), abs=1e-6)


@given(counts)
def test_another_wrong_answer_moves_both_ends_up(found):
    wrong, audits = found
    before, after = bound.interval(wrong, audits), bound.interval(wrong + 1, audits + 1)
    assert after[0] >= before[0]
    assert after[1] >= before[1] - 1e-9


@given(counts)
@settings(max_examples=50)
def test_more_confidence_is_a_wider_interval(found):
    narrow, wide = bound.interval(*found, confidence=0.9), bound.interval(*found, confidence=0.99)
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_nothing_is_known_without_audits():
    assert bound.interval(0, 0) == (0.0, 1.0)
    assert bound.of_requests(Tally(requests=10, hits=5)) == bound.Bound(0.0, 0.0, 0.5)


def test_clean_audits_bring_the_upper_end_down():
    assert bound.interval(0, 500)[1] < 0.01 < bound.interval(0, 300)[1]


@pytest.mark.parametrize(("wrong", "audits"), [(-1, 5), (6, 5), (1, 0)])
def test_counts_that_cannot_be_are_refused(wrong, audits):
    with pytest.raises(ValueError, match="cannot be"):
        bound.interval(wrong, audits)


def test_the_share_of_requests_is_that_of_hits_times_how_many_hit():
    tally = Tally(requests=1_000, hits=250, audits=100, audits_wrong=4)
    hits, requests = bound.of_hits(tally), bound.of_requests(tally)
    assert requests == bound.Bound(hits.lower / 4, hits.estimate / 4, hits.upper / 4)
    assert hits.estimate == 0.04


def test_audits_left_open_are_no_right_answers():
    tally = Tally(requests=100, hits=100, audits=50, audits_open=40, audits_wrong=1)
    assert bound.of_hits(tally).estimate == 0.1


def test_the_estimate_leans_towards_the_calibration_while_there_are_few_audits():
    few = bound.of_hits(Tally(requests=500, hits=500, expected_errors=5.0, audits=2, audits_wrong=1))
    many = bound.of_hits(Tally(requests=500, hits=500, expected_errors=5.0, audits=400, audits_wrong=200))
    assert few.estimate == pytest.approx(1.1 / 12)
    assert many.estimate == pytest.approx(0.5, abs=0.02)


def _ever_missed(chances, mean_of):
    """Whether the interval fails to hold the mean chance at one of the looks."""
    wrong, sum_of_chances, missed = 0, 0.0, False
    for audits in range(1, AUDITS + 1):
        chance = chances(audits, wrong)
        wrong += mean_of.random() < chance
        sum_of_chances += chance
        if audits in LOOKS:
            lower, upper = bound.interval(wrong, audits)
            missed = missed or not lower <= sum_of_chances / audits <= upper
    return missed


@pytest.mark.parametrize("share", [0.003, 0.02, 0.1, 0.5, 0.9])
def test_the_interval_holds_the_truth_while_somebody_keeps_looking(share):
    draws = random.Random(17)
    missed = sum(_ever_missed(lambda _audits, _wrong: share, draws) for _ in range(RUNS))
    assert missed / RUNS <= 0.05


def test_the_interval_holds_while_control_reacts_to_what_was_found():
    draws = random.Random(23)

    def controlled(audits, wrong):  # stricter after errors, and a fault from the 200th audit on
        return min(0.9, 0.3 / (1 + wrong) + (0.2 if audits > 200 else 0.0))

    assert sum(_ever_missed(controlled, draws) for _ in range(RUNS)) / RUNS <= 0.05


def test_looking_again_and_again_would_break_an_interval_of_one_look():
    """The check above can fail: the usual interval, looked at continuously, misses far more often than it says."""
    draws, missed = random.Random(5), 0
    for _ in range(RUNS):
        wrong, out = 0, False
        for audits in range(1, AUDITS + 1):
            wrong += draws.random() < 0.1
            share = wrong / audits
            out = out or (audits in LOOKS and abs(share - 0.1) > 1.96 * (0.1 * 0.9 / audits) ** 0.5)
        missed += out
    assert missed / RUNS > 0.1
