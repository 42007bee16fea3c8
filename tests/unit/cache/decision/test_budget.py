"""The bar follows from what the last requests would have cost, and never gambles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.decision.budget import WINDOW_REQUESTS, Budget

errors = st.lists(st.one_of(st.none(), st.floats(0.0001, 0.9999)), min_size=1, max_size=600)


def spent(budget: Budget, noted: list[float | None], max_error: float) -> float:
    """The share of the last requests that answers within the bar would have got wrong."""
    bar, last = budget.bar(max_error), noted[-WINDOW_REQUESTS:]
    return sum(error for error in last if error is not None and max_error < error <= bar) / len(last)


def test_a_new_namespace_serves_up_to_the_budget_itself() -> None:
    assert Budget().bar(0.01) == 0.01


def test_sure_traffic_leaves_room_for_bolder_answers() -> None:
    budget = Budget()
    for _ in range(200):
        budget.note(0.001)
        budget.note(None)
    for _ in range(10):
        budget.note(0.05)
    assert budget.bar(0.01) > 0.01


def test_traffic_that_is_all_doubt_leaves_none() -> None:
    budget = Budget()
    for _ in range(400):
        budget.note(0.2)
    assert budget.bar(0.01) == 0.01


@pytest.mark.parametrize("max_error", [0.005, 0.01, 0.02, 0.05])
@given(noted=errors)
def test_what_lies_between_budget_and_bar_costs_no_more_than_the_budget(
    noted: list[float | None], max_error: float
) -> None:
    budget = Budget()
    for error in noted:
        budget.note(error)
    for _ in range(5):  # the bar is drawn again every few requests
        budget.note(None)
    assert spent(budget, [*noted, *[None] * 5], max_error) <= max_error


@given(noted=errors)
def test_a_larger_budget_never_draws_a_lower_bar(noted: list[float | None]) -> None:
    budget = Budget()
    for error in noted:
        budget.note(error)
    bars = [budget.bar(max_error) for max_error in (0.005, 0.01, 0.02, 0.05)]
    assert bars == sorted(bars)
    assert all(bar <= 8 * max_error for bar, max_error in zip(bars, (0.005, 0.01, 0.02, 0.05), strict=True))
