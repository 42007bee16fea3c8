"""Repeated attempts wait longer each time, keep to what a backend asks for, and cannot multiply its load."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.retries import RetryBudget, RetryRules

RULES = RetryRules(max_retries=4, base_seconds=0.25, max_seconds=1.0, max_retry_after_seconds=5.0)


def test_the_back_off_doubles_up_to_its_bound() -> None:
    assert [RULES.delay(n, None, random=lambda: 0.0) for n in range(5)] == [0.25, 0.5, 1.0, 1.0, None]


@given(attempt=st.integers(0, 3), chance=st.floats(0, 1, exclude_max=True))
def test_a_random_part_of_up_to_half_is_taken_off(attempt: int, chance: float) -> None:
    longest = RULES.delay(attempt, None, random=lambda: 0.0)
    delay = RULES.delay(attempt, None, random=lambda: chance)
    assert longest is not None
    assert delay is not None
    assert longest / 2 <= delay <= longest


@given(asked=st.floats(0, 5), chance=st.floats(0, 1, exclude_max=True))
def test_nobody_comes_back_before_the_time_asked_for(asked: float, chance: float) -> None:
    delay = RULES.delay(0, asked, random=lambda: chance)
    assert delay is not None
    assert asked <= delay <= asked * 1.1 + 0.025


def test_a_wait_longer_than_allowed_is_not_waited() -> None:
    assert RULES.delay(0, 5.1, random=random.random) is None


def test_retries_stay_a_share_of_the_requests() -> None:
    budget = RetryBudget(0.2, 10)
    spent = 0
    for _ in range(1000):
        budget.earn()
        spent += budget.spend() + budget.spend()
    assert 200 <= spent <= 211


def test_a_reserve_allows_retries_where_there_are_few_requests() -> None:
    budget = RetryBudget(0.0, 3)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_without_a_reserve_the_share_still_counts() -> None:
    budget = RetryBudget(0.5, 0)
    assert not budget.spend()
    budget.earn()
    budget.earn()
    assert budget.spend()
