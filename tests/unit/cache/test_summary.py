"""Summaries say in a sentence what would happen and why."""

from __future__ import annotations

import pytest

from synapse_cache.decision import VetoReason
from synapse_cache.explaining.explaining import Explained
from synapse_cache.explaining.reasons import DIFFERENCES, WHY, clause
from synapse_cache.explaining.summary import differing, percent, summary
from synapse_cache.lookup import Found
from synapse_cache.model import Considered, Entry, Hit, Miss, Outcome, Place, Policy, Question, Status, Tier
from synapse_cache.thresholds.thresholds import Thresholds

ASKED, STORED = "Is 5 prime?", "Is 7 prime?"
ENTRY = Entry("e", "k", "s", "t", "n", 1, "m", STORED, b"", 0, 0.0, 1.0, 1.0)


def told(result: Hit | Miss, *, shown: bool = True, bar: float | None = 0.01, **found: object) -> str:
    """The summary of a lookup that found `result`."""
    question = Question("q", "s", "m", ASKED, None)
    hit = isinstance(result, Hit) and not found.get("shadow")
    outcome = Outcome(Status.HIT if hit else Status.MISS, result.reason, "q")
    seen = Found(result, Place("t"), **found)  # type: ignore[arg-type]
    explained = Explained(question, Policy(), seen, outcome, Thresholds(), bar, suspended=False)
    return summary(explained, shown=shown)


def candidate(reason: str = "", *, veto: str = "", probability: float | None = None) -> Considered:
    return Considered("e", STORED, 0.9, veto=veto, reason=reason, probability=probability)


def test_a_veto_names_what_differs() -> None:
    miss = Miss("veto_number", (candidate(veto="number"),))
    assert told(miss) == "would miss: the nearest stored question differs in a number (5 against 7)"
    assert told(miss, shown=False) == "would miss: the nearest stored question differs in a number"


def test_a_probability_stands_beside_what_is_needed() -> None:
    hit = Hit(ENTRY, Tier.L2, 0.9, "verified", (candidate(probability=0.9931),))
    assert told(hit).endswith(f'"{STORED}"; it is right with a probability of 99.31 %, and 99 % is needed now')
    miss = Miss("above_bar", (candidate("above_bar", probability=0.5), candidate("above_bar", probability=0.75)))
    needed = "it is right with a probability of 75 %, and 99 % is needed now"
    assert told(miss) == f'would miss: {WHY["above_bar"]}; the likeliest is "{STORED}"; {needed}'
    assert told(miss, shown=False) == f"would miss: {WHY['above_bar']}; {needed}"


def test_shadow_says_what_would_have_been_served() -> None:
    hit = Hit(ENTRY, Tier.L2, 0.9, "semantic", (candidate(probability=0.997),))
    assert f'it would have hit: {WHY["semantic"]}, "{STORED}"' in told(hit, shadow=True)


def test_a_stale_answer_in_reserve_is_told() -> None:
    assert "should the backends fail" in told(Miss("no_candidate"), stale=ENTRY)


@pytest.mark.parametrize("reason", [*WHY, *(f"veto_{reason}" for reason in VetoReason)])
def test_every_reason_has_words_for_people(reason: str) -> None:
    assert len(clause(reason).split()) > 3
    assert told(Miss(reason)) == f"would miss: {clause(reason)}"


def test_every_veto_says_how_the_texts_differ() -> None:
    assert set(DIFFERENCES) == set(VetoReason)


@pytest.mark.parametrize(
    ("asked", "stored", "reason", "expected"),
    [
        ("Is 5 prime?", "Is 7 prime?", "number", "5 against 7"),
        ("Rain in May 2024?", "Rain in June 2024?", "date", "may against june"),
        ("Sort a list in Python", "Sort a list in Java", "programming", "python against java"),
        ("Name birds", "Name 5 birds", "number", "none against 5"),
        ("Is it safe?", "Is it unsafe?", "negation", ""),
    ],
)
def test_what_differs_is_named_where_it_has_a_name(asked: str, stored: str, reason: str, expected: str) -> None:
    assert differing(asked, stored, reason) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.99, "99 %"), (0.9931, "99.31 %"), (0.999999, "99.99 %"), (1.0, "100 %"), (0.0, "0 %")]
)
def test_shares_are_told_in_per_cent(share: float, expected: str) -> None:
    assert percent(share) == expected
