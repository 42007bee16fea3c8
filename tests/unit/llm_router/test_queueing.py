"""A full backend has a bounded queue, first come first served; who leaves it leaves no trace."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.queueing import NoPlace, Places, wait_for_place


def full(*, max_queued: int = 9) -> Places:
    places = Places(1, max_queued=max_queued)
    places.take()
    return places


async def waiting(places: list[Places], *, seconds: float = 5) -> asyncio.Task[Places]:
    task = asyncio.create_task(wait_for_place(places, seconds=seconds))
    await asyncio.sleep(0)
    return task


async def test_the_first_to_wait_is_the_first_to_be_served() -> None:
    places = full()
    tasks = [await waiting([places]) for _ in range(3)]
    for count in (1, 2, 3):
        places.leave()
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [True] * count + [False] * (3 - count)
        assert places.in_flight == 1


async def test_a_place_at_any_of_several_backends_will_do() -> None:
    a, b = full(), full()
    task = await waiting([a, b])
    b.leave()
    assert await task is b
    assert (a.in_flight, b.in_flight, len(a.queue), len(b.queue)) == (1, 1, 0, 0)


async def test_a_full_queue_refuses_at_once() -> None:
    places = full(max_queued=1)
    task = await waiting([places])
    with pytest.raises(NoPlace) as caught:
        await wait_for_place([places], seconds=5)
    assert not caught.value.waited
    places.leave()
    await task


async def test_a_wait_has_a_bound() -> None:
    places = full()
    with pytest.raises(NoPlace) as caught:
        await wait_for_place([places], seconds=0.01)
    assert caught.value.waited
    assert not places.queue


async def test_who_is_cancelled_in_the_queue_leaves_it() -> None:
    places = full()
    first, second = await waiting([places]), await waiting([places])
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    places.leave()
    assert await second is places
    assert (places.in_flight, len(places.queue)) == (1, 0)


async def test_a_place_given_in_the_moment_of_leaving_goes_to_the_next() -> None:
    places = full()
    first, second = await waiting([places]), await waiting([places])
    places.leave()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await second is places
    assert places.in_flight == 1


async def test_the_length_of_the_queue_is_told() -> None:
    told: list[int] = []
    places = Places(1, max_queued=9, tell=told.append)
    places.take()
    task = await waiting([places])
    places.leave()
    await task
    assert (told[0], told[-1]) == (1, 0)


def test_without_a_limit_there_is_always_a_place() -> None:
    places = Places()
    for _ in range(1000):
        assert places.free
        places.take()


@given(limit=st.integers(1, 3), steps=st.lists(st.sampled_from(["come", "go", "give up"]), max_size=40))
def test_no_place_is_lost_or_given_twice(limit: int, steps: list[str]) -> None:
    async def play() -> None:
        places = Places(limit, max_queued=50)
        waiters: list[asyncio.Task[Places]] = []
        for step in steps:
            if step == "come" and places.free:
                places.take()
            elif step == "come":
                waiters.append(await waiting([places]))
            elif step == "go" and places.in_flight:
                places.leave()
            elif step == "give up" and waiters:
                waiters.pop(len(waiters) // 2).cancel()
            await asyncio.sleep(0)
            assert places.in_flight <= limit
            assert places.free <= (not places.queue)
        while places.in_flight:
            places.leave()
            await asyncio.sleep(0)
        assert not places.queue
        await asyncio.gather(*waiters)

    asyncio.run(play())
