"""What two texts settle by themselves, and what they leave to the verifier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.decision import Screened, VetoReason, analyse, screen

SETTLED = [
    ("How do I convert 5 kg to pounds?", "How do I convert 7 kg to pounds?", VetoReason.NUMBER),
    ("weather on May 3 in Rome", "weather on June 3 in Rome", VetoReason.DATE),
    ("sort a list in python", "sort a list", VetoReason.PROGRAMMING),
    ("reset the password of bob@example.com", "reset the password of eve@example.com", VetoReason.PRIVATE),
    ("capital of the USA", "capital of the UK", VetoReason.ENTITY),
    ("answer in French: what is a cat", "what is a cat", VetoReason.LANGUAGE),
    ("Is Ann a nurse or a cook?", "Is Ann a nurse and a cook?", VetoReason.WORDS),
]
OPEN = [
    ("my card has not arrived yet", "I am still waiting for my card", VetoReason.NEGATION),
    ("how tall is the Eiffel Tower", "what height does the Eiffel Tower have", None),
]


def screened(one: str, other: str) -> Screened:
    return screen(analyse(one), analyse(other))


@pytest.mark.parametrize(("one", "other", "reason"), SETTLED)
def test_rivals_and_demands_are_final(one: str, other: str, reason: VetoReason) -> None:
    assert screened(one, other) == Screened(final=reason)


@pytest.mark.parametrize(("one", "other", "reason"), OPEN)
def test_a_missing_match_alone_is_a_doubt(one: str, other: str, reason: VetoReason | None) -> None:
    found = screened(one, other)
    assert found.final is None
    assert found.doubt is not None
    assert reason in {None, found.doubt}


def test_equal_questions_are_sure() -> None:
    assert screened("What is the capital of France?", "Tell me the capital of France").sure


@given(st.text(max_size=60), st.text(max_size=60))
def test_screening_is_symmetric(one: str, other: str) -> None:
    assert screened(one, other) == screened(other, one)
