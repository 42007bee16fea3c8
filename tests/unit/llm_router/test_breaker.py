"""A backend that keeps failing is left alone, tried by one request, and back when that is answered."""

from __future__ import annotations

import pytest

from synapse_llm_router.breaker import Breaker, BreakerRules, BreakerState, Window
from tests.support.clock import Clock

RULES = BreakerRules(consecutive_failures=5, cooldown_seconds=5, max_cooldown_seconds=60)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(RULES, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(trial=breaker.begin())


def test_a_backend_that_failed_five_times_is_left_alone(breaker: Breaker) -> None:
    fail(breaker, 4)
    assert breaker.admits
    fail(breaker, 1)
    assert not breaker.admits
    assert breaker.state is BreakerState.OPEN


def test_an_answer_in_between_starts_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 4)
    breaker.succeeded(trial=breaker.begin())
    fail(breaker, 4)
    assert breaker.admits


def test_after_the_cool_down_one_request_at_a_time_tries(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.advance(5)
    assert (breaker.state, breaker.admits) == (BreakerState.HALF_OPEN, True)
    assert breaker.begin()
    assert not breaker.admits


def test_a_trial_that_is_answered_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.advance(5)
    breaker.succeeded(trial=breaker.begin())
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 4)
    assert breaker.admits


def test_each_trial_that_fails_doubles_the_cool_down_up_to_its_bound(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    waits = []
    for _ in range(6):
        waits.append(breaker.retry_at - clock())
        clock.advance(waits[-1])
        fail(breaker, 1)
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_trial_whose_caller_left_lets_the_next_try(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.advance(5)
    breaker.dropped(trial=breaker.begin())
    assert breaker.admits


def test_what_began_before_it_opened_neither_closes_nor_prolongs_it(breaker: Breaker, clock: Clock) -> None:
    early = [breaker.begin() for _ in range(2)]
    fail(breaker, 5)
    until = breaker.retry_at
    clock.advance(1)
    breaker.failed(trial=early[0])
    breaker.succeeded(trial=early[1])
    assert (breaker.state, breaker.retry_at) == (BreakerState.OPEN, until)


def test_what_the_backend_asks_for_counts_up_to_the_bound(clock: Clock) -> None:
    for asked, kept in ((2, 5), (30, 30), (3600, 60)):
        breaker = Breaker(RULES, clock=clock)
        fail(breaker, 4)
        breaker.failed(trial=False, retry_after_seconds=asked)
        assert breaker.retry_at - clock() == kept


def test_half_of_twenty_requests_failing_is_enough(clock: Clock) -> None:
    breaker = Breaker(BreakerRules(consecutive_failures=0, error_ratio=0.5, min_requests=20), clock=clock)
    for _ in range(9):
        breaker.succeeded(trial=False)
        breaker.failed(trial=False)
    breaker.succeeded(trial=False)
    assert breaker.admits
    breaker.failed(trial=False)
    assert not breaker.admits


def test_failures_that_left_the_window_do_not_count(clock: Clock) -> None:
    window = Window(30, clock)
    for _ in range(3):
        window.add(failed=True)
    clock.advance(26)
    window.add(failed=False)
    assert window.counts() == (4, 3)
    clock.advance(4)
    assert window.counts() == (1, 0)
    clock.advance(1_000_000)
    assert window.counts() == (0, 0)


def test_it_never_opens_when_nothing_counts(clock: Clock) -> None:
    breaker = Breaker(BreakerRules(consecutive_failures=0, min_requests=0), clock=clock)
    fail(breaker, 1000)
    assert breaker.admits
    assert breaker.error_ratio == 1


def test_a_sign_of_life_ends_the_cool_down_but_is_no_answer(breaker: Breaker) -> None:
    fail(breaker, 5)
    breaker.try_now()
    assert breaker.state is BreakerState.HALF_OPEN
