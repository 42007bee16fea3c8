"""Which backends are left alone, and what a caller is told when that leaves nobody."""

from __future__ import annotations

import asyncio

import pytest

from synapse_llm_router.adapters import failures
from synapse_llm_router.backend import State
from synapse_llm_router.faults import Fault
from synapse_llm_router.routing import Fallback
from synapse_runtime.errors import SynapseError
from tests.unit.llm_router.rigged import RETRIES, Rig
from tests.unit.llm_router.scripted import HANG, Scripted, answered, provider
from tests.unit.llm_router.test_trip import failure


async def test_a_backend_that_failed_five_times_is_left_alone() -> None:
    a, b = Scripted("a", *[answered(500)] * 5), Scripted("b")
    rig = Rig({"m": [a, b]})
    rig.know()
    assert [await rig.ask() for _ in range(9)] == ["b"] * 9
    assert a.asked == 5
    assert rig.backends["a"].state is State.COOLING_DOWN


async def test_after_the_cool_down_one_answer_brings_it_back() -> None:
    a, b = Scripted("a", *[answered(500)] * 5), Scripted("b")
    rig = Rig({"m": [a, b]})
    rig.know()
    for _ in range(5):
        await rig.ask()
    rig.clock.advance(5)
    assert rig.backends["a"].state is State.PROBING
    assert [await rig.ask(), await rig.ask()] == ["a", "a"]
    assert rig.backends["a"].state is State.HEALTHY


async def test_only_one_request_probes() -> None:
    a, b = Scripted("a", *[answered(500)] * 5, HANG), Scripted("b")
    rig = Rig({"m": [a, b]})
    rig.know()
    for _ in range(5):
        await rig.ask()
    rig.clock.advance(5)
    probing = asyncio.create_task(rig.ask())
    await asyncio.sleep(0)
    assert [await rig.ask(), await rig.ask()] == ["b", "b"]
    a.release.set()
    assert await probing == "a"


async def test_when_all_cool_down_the_earliest_retry_is_told() -> None:
    a, b = Scripted("a", *[answered(500)] * 9), Scripted("b", *[answered(500)] * 9)
    rig = Rig({"m": [a, b]})
    rig.know()
    for _ in range(5):
        await failure(rig)
    rig.clock.advance(2)
    error = await failure(rig)
    assert (error.code.name, error.reason, error.retry_after_seconds) == ("UNAVAILABLE", "BACKENDS_COOLING_DOWN", 3)
    assert (a.asked, b.asked) == (5, 5)


async def test_a_fallback_serves_while_all_cool_down() -> None:
    pools = {"m": [Scripted("a", *[answered(500)] * 9)], "x": [Scripted("x")]}
    rig = Rig(pools, fallbacks=[Fallback(frozenset({Fault.UNAVAILABLE}), "x")])
    rig.know()
    assert [await rig.ask() for _ in range(7)] == ["x"] * 7


async def test_a_limited_backend_rests_while_others_can_take_over() -> None:
    a, b = Scripted("a", answered(429, retry_after="20")), Scripted("b")
    rig = Rig({"m": [a, b]})
    assert [await rig.ask() for _ in range(3)] == ["b"] * 3
    assert (a.asked, rig.backends["a"].state) == (1, State.COOLING_DOWN)
    rig.clock.advance(20)
    assert await rig.ask() == "a"


async def test_a_limited_backend_without_others_tells_its_limit_itself() -> None:
    a = Scripted("a", *[answered(429, retry_after="20")] * 3)
    rig = Rig({"m": [a]})
    for _ in range(3):
        assert provider(await failure(rig)).http_status == 429
    assert (a.asked, rig.backends["a"].state) == (3, State.HEALTHY)


async def test_when_the_others_fail_a_resting_backend_is_asked_after_all() -> None:
    a, b = Scripted("a", answered(429, retry_after="20")), Scripted("b", HANG, answered(500))
    b.release.set()
    rig = Rig({"m": [a, b]})
    rig.know()
    assert await rig.ask() == "b"
    assert await rig.ask() == "a"


async def test_a_backend_that_never_answered_is_starting() -> None:
    a = Scripted("a", failures.unreachable("a", "refused"))
    rig = Rig({"m": [a]}, retries=RETRIES, starting_retry_seconds=10)
    first, second = await failure(rig), await failure(rig)
    assert (first.reason, first.retry_after_seconds) == ("UPSTREAM_UNREACHABLE", 10)
    assert (second.code.name, second.reason, second.retry_after_seconds) == ("UNAVAILABLE", "BACKEND_STARTING", 10)
    assert (a.asked, rig.slept, rig.backends["a"].state) == (1, [], State.STARTING)


async def test_a_model_served_elsewhere_goes_there_while_one_starts() -> None:
    a, b = Scripted("a", failures.unreachable("a", "refused")), Scripted("b")
    rig = Rig({"m": [a, b]})
    assert [await rig.ask() for _ in range(3)] == ["b"] * 3
    assert a.asked == 1


async def test_a_check_that_passes_ends_the_start() -> None:
    a = Scripted("a", failures.unreachable("a", "refused"))
    rig = Rig({"m": [a]})
    await failure(rig)
    rig.backends["a"].check_passed()
    assert rig.backends["a"].state is State.HEALTHY
    assert await rig.ask() == "a"


async def test_without_checks_a_single_request_finds_that_it_has_started() -> None:
    a = Scripted("a", failures.unreachable("a", "refused"))
    rig = Rig({"m": [a]}, starting_retry_seconds=10)
    await failure(rig)
    rig.clock.advance(0.3)
    assert await rig.ask() == "a"
    assert rig.backends["a"].state is State.HEALTHY


@pytest.mark.parametrize("error", [answered(503), failures.truncated("a"), failures.unreachable("a", "refused")])
async def test_a_watched_backend_behind_a_proxy_is_starting(error: SynapseError) -> None:
    rig = Rig({"m": [Scripted("a", error)]}, watched=True)
    told = await failure(rig)
    assert (told.reason, told.retry_after_seconds) == ("BACKEND_STARTING", 10)
    assert rig.backends["a"].is_starting


async def test_an_unwatched_backend_that_says_503_is_not_starting() -> None:
    rig = Rig({"m": [Scripted("a", answered(503))]})
    assert provider(await failure(rig)).http_status == 503
    assert not rig.backends["a"].is_starting


async def test_checks_that_keep_failing_open_the_breaker_too() -> None:
    a, b = Scripted("a"), Scripted("b")
    rig = Rig({"m": [a, b]})
    rig.know()
    for _ in range(5):
        rig.backends["a"].check_failed("it answered with status 500")
    assert await rig.ask() == "b"
    assert rig.backends["a"].last_error == "health check: it answered with status 500"


async def test_a_check_that_passes_lets_a_request_try_at_once() -> None:
    rig = Rig({"m": [Scripted("a", *[answered(500)] * 5)]})
    rig.know()
    for _ in range(5):
        await failure(rig)
    rig.backends["a"].check_passed()
    assert rig.backends["a"].state is State.PROBING
    assert await rig.ask() == "a"


@pytest.mark.parametrize("status", [400, 401, 404, 429])
async def test_a_backend_that_refuses_is_alive(status: int) -> None:
    a = Scripted("a", *[answered(status)] * 20)
    rig = Rig({"m": [a]})
    for _ in range(20):
        assert provider(await failure(rig)).http_status == status
    assert rig.backends["a"].state is State.HEALTHY


async def test_a_cancelled_request_tells_nothing_of_the_backend() -> None:
    a = Scripted("a", HANG)
    rig = Rig({"m": [a]})
    task = asyncio.create_task(rig.ask())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    backend = rig.backends["a"]
    assert (a.left, backend.in_flight, backend.breaker.error_ratio, backend.last_error) == (1, 0, 0.0, "")


async def test_a_cancelled_request_leaves_the_back_off() -> None:
    a = Scripted("a", answered(500))
    rig = Rig({"m": [a]}, retries=RETRIES)
    rig.sleeps_for_ever = True
    task = asyncio.create_task(rig.ask())
    await asyncio.sleep(0.01)
    assert rig.slept
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (a.asked, rig.backends["a"].in_flight) == (1, 0)


async def test_a_full_backend_spills_over_and_full_ones_make_requests_wait() -> None:
    a, b = Scripted("a", HANG), Scripted("b", HANG)
    rig = Rig({"m": [a, b]}, max_in_flight=1, max_queued=1)
    tasks = [asyncio.create_task(rig.ask()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert (a.asked, b.asked, rig.backends["a"].in_flight) == (1, 1, 1)
    b.release.set()
    assert await tasks[2] == "b"
    a.release.set()
    assert await asyncio.gather(*tasks) == ["a", "b", "b"]


async def test_a_full_queue_is_told_with_a_time_to_retry() -> None:
    a = Scripted("a", HANG)
    rig = Rig({"m": [a]}, max_in_flight=1, max_queued=0)
    task = asyncio.create_task(rig.ask())
    await asyncio.sleep(0.01)
    error = await failure(rig)
    assert (error.code.name, error.reason, error.retry_after_seconds) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL", 1)
    a.release.set()
    assert await task == "a"


async def test_a_request_that_waited_for_a_backend_that_broke_goes_elsewhere() -> None:
    a, b = Scripted("a", HANG), Scripted("b", HANG)
    rig = Rig({"m": [a, b]}, max_in_flight=1, max_queued=1)
    rig.know()
    tasks = [asyncio.create_task(rig.ask()) for _ in range(3)]
    await asyncio.sleep(0.01)
    rig.backends["a"].breaker.open(60)
    a.release.set()
    assert await tasks[0] == "a"
    b.release.set()
    assert await asyncio.gather(*tasks[1:]) == ["b", "b"]
    assert a.asked == 1
