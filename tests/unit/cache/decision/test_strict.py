"""The strict decision serves the nearest candidate that no veto speaks against, and says why it does not."""

import math

import pytest

from synapse_cache.decision import CERTIFIED_ERROR, Candidate, Decision, Standing, StrictDecision, VetoReason

ASKED = "What is the capital of France?"
SAME = Candidate("same", "Tell me the capital of France", 0.91)
OTHER = Candidate("other", "What is the capital of Germany?", 0.97)


async def test_the_nearest_candidate_without_a_veto_is_served() -> None:
    verdict = await StrictDecision().decide(ASKED, [SAME, OTHER], Standing(0.01))
    assert verdict.candidate is SAME
    assert [(one.candidate.entry_id, one.veto) for one in verdict.judged] == [
        ("other", VetoReason.WORDS),
        ("same", None),
    ]


async def test_a_vetoed_candidate_is_a_miss_with_its_reason() -> None:
    verdict = await StrictDecision().decide(ASKED, [OTHER], Standing(0.01))
    assert verdict.candidate is None
    assert verdict.reason == "veto_words"


async def test_below_the_floor_nothing_is_served() -> None:
    verdict = await StrictDecision(floor=0.95).decide(ASKED, [SAME], Standing(0.01))
    assert (verdict.candidate, verdict.reason) == (None, "below_floor")


async def test_no_candidate_is_a_miss() -> None:
    assert (await StrictDecision().decide(ASKED, [], Standing(0.01))).reason == "no_candidate"


@pytest.mark.parametrize("max_error", [0.0, CERTIFIED_ERROR / 2, math.nan, -1.0])
async def test_a_budget_that_the_calibration_cannot_keep_turns_reuse_off(max_error: float) -> None:
    verdict = await StrictDecision().decide(ASKED, [SAME], Standing(max_error))
    assert verdict.candidate is None
    assert "max_error" in verdict.reason


@pytest.mark.parametrize("similarity", [math.nan, math.inf, -math.inf])
async def test_a_similarity_that_is_no_number_never_hits(similarity: float) -> None:
    verdict = await StrictDecision().decide(ASKED, [Candidate("x", ASKED, similarity)], Standing(0.05))
    assert verdict.candidate is None


async def test_a_cosine_a_hair_above_one_hits() -> None:
    verdict = await StrictDecision().decide(ASKED, [Candidate("x", ASKED, 1.0000001)], Standing(0.05))
    assert verdict.candidate is not None


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.1, math.nan])
def test_a_floor_that_is_no_floor_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        StrictDecision(floor)


async def test_the_strict_decision_fits_the_port() -> None:
    decision: Decision = StrictDecision()
    assert (await decision.decide(ASKED, [SAME], Standing(1.0))).candidate is SAME
