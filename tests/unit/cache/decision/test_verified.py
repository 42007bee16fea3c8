"""The decision serves what the texts or the verifier vouch for within the bar, and says why it does not."""

from __future__ import annotations

import asyncio
import math

import pytest

from synapse_cache.decision import Calibration, Candidate, Decision, Standing, VerifiedDecision, VetoReason
from synapse_cache.decision.learning import PRIOR

ASKED = "What is the capital of France?"
SAME = Candidate("same", "Tell me the capital of France", 0.91)
RIVAL = Candidate("rival", "What is the population of the UK in 2020?", 0.97)
OPEN = Candidate("open", "Which town is the seat of government in France?", 0.88)
CALIBRATION = Calibration(8.0, 0.85, (0.0, 8.0), (0.0, 8.0), 0.003)
WIDE = Standing(0.05, bar=0.1)


class Verifier:
    """A verifier that says the same of every pair, and remembers what it was asked."""

    def __init__(self, logit: float | None = 8.0, seconds: float = 0.0) -> None:
        self.logit, self.seconds = logit, seconds
        self.asked: list[str] = []

    async def __call__(self, _asked: str, stored: str) -> float | None:
        self.asked.append(stored)
        await asyncio.sleep(self.seconds)
        return self.logit


def decision(verifier: Verifier, *, seconds: float = 5.0) -> VerifiedDecision:
    return VerifiedDecision(CALIBRATION, verifier, seconds=seconds)


async def test_a_wording_whose_every_word_has_its_match_is_served_without_the_verifier() -> None:
    verifier = Verifier()
    verdict = await decision(verifier).decide(ASKED, [SAME, OPEN], Standing(0.01, bar=0.01))
    assert (verdict.candidate, verdict.reason) == (SAME, "semantic")
    assert verifier.asked == []


async def test_a_rival_number_is_final_whatever_the_verifier_says() -> None:
    verifier = Verifier()
    verdict = await decision(verifier).decide("What is the population of the UK in 2021?", [RIVAL], WIDE)
    assert (verdict.candidate, verdict.reason, verifier.asked) == (None, f"veto_{VetoReason.DATE}", [])


async def test_an_open_wording_is_served_when_the_verifier_vouches_for_it() -> None:
    verdict = await decision(Verifier(8.0)).decide(ASKED, [OPEN], WIDE)
    assert (verdict.candidate, verdict.reason) == (OPEN, "verified")
    assert verdict.best is not None
    assert verdict.best.error is not None
    assert 0 < verdict.best.error <= 0.1


async def test_an_open_wording_is_not_served_above_the_bar() -> None:
    verdict = await decision(Verifier(0.5)).decide(ASKED, [OPEN], WIDE)
    assert (verdict.candidate, verdict.reason, verdict.bar) == (None, "above_bar", 0.1)


async def test_without_a_word_of_the_verifier_what_is_open_is_not_served() -> None:
    verdict = await decision(Verifier(None)).decide(ASKED, [OPEN], WIDE)
    assert (verdict.candidate, verdict.reason) == (None, "unverified")


async def test_a_late_verifier_is_a_miss_within_the_budget() -> None:
    verdict = await decision(Verifier(8.0, seconds=5), seconds=0.01).decide(ASKED, [OPEN], WIDE)
    assert (verdict.candidate, verdict.reason) == (None, "unverified")


async def test_the_verifier_is_asked_until_one_can_be_served() -> None:
    verifier, further = Verifier(8.0), Candidate("further", "town where the government of France has its seat", 0.8)
    await decision(verifier).decide(ASKED, [further, OPEN], WIDE)
    assert verifier.asked == [OPEN.text]


async def test_a_request_asks_the_verifier_four_times_at_most() -> None:
    verifier = Verifier(0.0)
    candidates = [Candidate(str(n), f"{OPEN.text} Or so they say {'again ' * n}", 0.9) for n in range(7)]
    await decision(verifier).decide(ASKED, candidates, WIDE)
    assert len(verifier.asked) == 4


async def test_a_thorough_decision_has_a_word_on_every_candidate() -> None:
    far = Candidate("far", "Which city governs France?", 0.2)
    candidates = [Candidate(str(n), f"{OPEN.text} Or so they say {'again ' * n}", 0.9) for n in range(7)]
    standing = Standing(0.05, bar=0.1, floor=0.5)
    verdict = await decision(Verifier(8.0)).decide(ASKED, [*candidates, far, SAME], standing, thorough=True)
    assert {one.candidate.entry_id for one in verdict.every} == {*map(str, range(7)), "far", "same"}
    assert all(one.error is not None for one in verdict.every)


@pytest.mark.parametrize("logit", [8.0, 0.5, None])
async def test_thorough_or_not_the_decision_is_the_same(logit: float | None) -> None:
    better = Candidate("better", "In which town does the government of France sit?", 0.87)
    for candidates in ([OPEN, better], [SAME, OPEN], [RIVAL], [Candidate("far", ASKED, -1.0)]):
        plain = await decision(Verifier(logit)).decide(ASKED, candidates, WIDE)
        thorough = await decision(Verifier(logit)).decide(ASKED, candidates, WIDE, thorough=True)
        assert (thorough.candidate, thorough.reason, thorough.judged) == (plain.candidate, plain.reason, plain.judged)
        assert thorough.best == plain.best
        assert plain.every == ()


async def test_a_pair_found_wrong_before_is_never_served_again() -> None:
    standing = Standing(0.05, bar=0.1, denied=lambda entry_id: entry_id == "same")
    verdict = await decision(Verifier()).decide(ASKED, [SAME], standing)
    assert (verdict.candidate, verdict.reason) == (None, "denied")


async def test_a_suspended_namespace_is_judged_and_not_served() -> None:
    verdict = await decision(Verifier()).decide(ASKED, [SAME], Standing(0.05, bar=0.1, suspended=True))
    assert (verdict.candidate, verdict.reason) == (None, "suspended")
    assert verdict.best is not None


async def test_below_the_floor_nothing_is_served() -> None:
    verdict = await decision(Verifier()).decide(ASKED, [SAME], Standing(0.05, bar=0.1, floor=0.95))
    assert (verdict.candidate, verdict.reason) == (None, "below_floor")


async def test_no_candidate_is_a_miss() -> None:
    assert (await decision(Verifier()).decide(ASKED, [], WIDE)).reason == "no_candidate"


async def test_a_budget_below_what_the_calibration_vouches_for_serves_nothing() -> None:
    verdict = await decision(Verifier()).decide(ASKED, [SAME], Standing(0.001, bar=0.001))
    assert (verdict.candidate, verdict.reason) == (None, "above_bar")


@pytest.mark.parametrize("similarity", [math.nan, math.inf, -math.inf])
async def test_a_similarity_that_is_no_number_never_hits(similarity: float) -> None:
    verdict = await decision(Verifier()).decide(ASKED, [Candidate("x", ASKED, similarity)], WIDE)
    assert verdict.candidate is None


async def test_a_good_record_of_the_entry_lowers_the_error() -> None:
    plain = await decision(Verifier(3.0)).decide(ASKED, [OPEN], WIDE)
    known = await decision(Verifier(3.0)).decide(ASKED, [OPEN], Standing(0.05, bar=0.1, record=lambda _: 2.0))
    assert plain.best is not None
    assert known.best is not None
    assert (known.best.error or 0) < (plain.best.error or 0)


def test_the_decision_fits_the_port() -> None:
    fits: Decision = decision(Verifier())
    assert fits is not None
    assert Standing(0.01).posterior is PRIOR
