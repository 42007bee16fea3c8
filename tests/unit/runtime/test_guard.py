"""A deadline and a breaker: a dead dependency costs milliseconds and is tried again carefully."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from synapse_runtime.guard import DependencyDown, Guard, GuardState
from tests.support.clock import Clock


class Broken(Exception):
    """What the dependency raises."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def guard(clock):
    return Guard(
        "redis",
        budget_seconds=5,
        failures=(Broken,),
        failures_to_open=3,
        open_seconds=1,
        max_open_seconds=4,
        clock=clock,
    )


async def works():
    return 42


async def fails():
    raise Broken("no")


async def fails_later():
    await asyncio.sleep(0)
    raise Broken("no")


async def fail(guard, times):
    for _ in range(times):
        with pytest.raises(DependencyDown):
            await guard.call(fails)


async def test_a_result_passes_through(guard):
    assert await guard.call(works) == 42
    assert guard.state is GuardState.CLOSED


async def test_a_failure_names_the_dependency_and_the_cause(guard):
    with pytest.raises(DependencyDown, match=r"redis.*Broken"):
        await guard.call(fails)


async def test_what_is_late_is_down_within_the_budget(guard):
    started = time.monotonic()
    with pytest.raises(DependencyDown, match="timeout"):
        await guard.call(lambda: asyncio.sleep(10), budget_seconds=0.02)
    assert time.monotonic() - started < 1


async def test_a_foreign_error_passes_untouched_and_does_not_count(guard):
    async def wrong():
        raise KeyError("ours")

    for _ in range(5):
        with pytest.raises(KeyError):
            await guard.call(wrong)
    assert guard.state is GuardState.CLOSED


async def test_after_failures_in_a_row_nothing_is_asked(guard):
    await fail(guard, 3)
    assert guard.state is GuardState.OPEN
    with pytest.raises(DependencyDown, match="not asked"):
        await guard.call(works)


async def test_a_success_between_failures_keeps_it_closed(guard):
    for _ in range(4):
        await fail(guard, 2)
        await guard.call(works)
    assert guard.state is GuardState.CLOSED


async def test_it_closes_when_a_trial_succeeds(guard, clock):
    await fail(guard, 3)
    clock.advance(1)
    assert guard.state is GuardState.HALF_OPEN
    assert await guard.call(works) == 42
    assert guard.state is GuardState.CLOSED


async def test_one_call_at_a_time_tries_it(guard, clock):
    await fail(guard, 3)
    clock.advance(1)
    proceed = asyncio.Event()
    trial = asyncio.ensure_future(guard.call(proceed.wait))
    await asyncio.sleep(0)
    with pytest.raises(DependencyDown, match="not asked"):
        await guard.call(works)
    proceed.set()
    await trial
    assert await guard.call(works) == 42


async def test_a_call_from_before_does_not_let_a_second_trial_in(guard, clock):
    leave, proceed = asyncio.Event(), asyncio.Event()

    async def cancelled_early():
        await leave.wait()
        raise KeyError("not the dependency's fault")

    early = asyncio.ensure_future(guard.call(cancelled_early))
    await asyncio.sleep(0)
    await fail(guard, 3)
    clock.advance(1)
    trial = asyncio.ensure_future(guard.call(proceed.wait))
    await asyncio.sleep(0)
    leave.set()
    with pytest.raises(KeyError):
        await early
    with pytest.raises(DependencyDown, match="not asked"):
        await guard.call(works)
    proceed.set()
    await trial


async def test_failing_trials_wait_longer_up_to_the_limit(guard, clock):
    await fail(guard, 3)
    for pause in (1, 2, 4, 4):
        clock.advance(pause - 0.01)
        assert guard.state is GuardState.OPEN
        clock.advance(0.02)
        assert guard.state is GuardState.HALF_OPEN
        await fail(guard, 1)


async def test_many_failing_at_once_open_it_once(guard, clock):
    await asyncio.gather(*(guard.call(fails_later) for _ in range(50)), return_exceptions=True)
    clock.advance(1.01)
    assert guard.state is GuardState.HALF_OPEN


async def test_the_pause_begins_anew_after_a_recovery(guard, clock):
    await fail(guard, 3)
    clock.advance(1.01)
    await fail(guard, 1)
    clock.advance(2.01)
    await guard.call(works)
    await fail(guard, 3)
    clock.advance(1.01)
    assert guard.state is GuardState.HALF_OPEN


async def test_a_cancelled_trial_lets_the_next_one_try(guard, clock):
    await fail(guard, 3)
    clock.advance(1)
    trial = asyncio.ensure_future(guard.call(lambda: asyncio.sleep(10)))
    await asyncio.sleep(0)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert await guard.call(works) == 42


def left_alone():
    return REGISTRY.get_sample_value("synapse_guard_open", {"guard": "redis"})


async def test_its_metric_rises_once_when_it_opens_and_falls_when_a_trial_succeeds(guard, clock):
    before = left_alone()
    await asyncio.gather(*(guard.call(fails_later) for _ in range(9)), return_exceptions=True)
    assert left_alone() == before + 1
    clock.advance(1)
    await fail(guard, 1)
    assert left_alone() == before + 1
    clock.advance(2)
    await guard.call(works)
    await guard.call(works)
    assert left_alone() == before
