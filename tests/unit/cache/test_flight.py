"""Single-flight: shared calls, leaders who leave, errors for everybody."""

from __future__ import annotations

import asyncio

import pytest

from synapse_cache.flights.flight import Flight, SingleFlight

Flights = SingleFlight[str, int, str]


class Call:
    """A backend call: batches 0, 1, 2 each when told, then a result or an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.cancelled = False
        self.error = error

    async def __call__(self, flight: Flight[int, str]) -> str:
        self.count += 1
        try:
            flight.publish(0)
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        flight.publish(1)
        if self.error:
            raise self.error
        return "done"


async def wait_for(flights: Flights, call: Call) -> str:
    flight, _ = flights.join("k", call)
    with flight.aboard():
        return await flight.result()


async def read(flights: Flights, call: Call) -> list[int]:
    flight, _ = flights.join("k", call)
    with flight.aboard():
        return [item async for batch in flight.batches() for item in batch]


async def test_many_who_ask_at_once_share_one_call() -> None:
    flights, call = Flights(), Call()
    tasks = [asyncio.create_task(wait_for(flights, call)) for _ in range(50)]
    await asyncio.sleep(0)
    call.go.set()
    assert await asyncio.gather(*tasks) == ["done"] * 50
    assert call.count == 1


async def test_a_late_reader_gets_every_batch_from_the_beginning() -> None:
    flights, call = Flights(), Call()
    early = asyncio.create_task(read(flights, call))
    await asyncio.sleep(0.01)
    late = asyncio.create_task(read(flights, call))
    await asyncio.sleep(0.01)
    call.go.set()
    assert await early == await late == [0, 1]


async def test_a_leader_who_leaves_does_not_harm_the_followers() -> None:
    flights, call = Flights(), Call()
    leader = asyncio.create_task(wait_for(flights, call))
    await asyncio.sleep(0.01)
    follower = asyncio.create_task(wait_for(flights, call))
    await asyncio.sleep(0.01)
    leader.cancel()
    await asyncio.sleep(0.01)
    assert not call.cancelled
    call.go.set()
    assert await follower == "done"


async def test_the_last_to_leave_cancels_the_call() -> None:
    flights, call = Flights(), Call()
    tasks = [asyncio.create_task(wait_for(flights, call)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert call.cancelled
    assert len(flights) == 0


async def test_an_error_reaches_everybody_after_the_batches() -> None:
    flights, call = Flights(), Call(ValueError("late"))
    seen: list[int] = []

    async def reader() -> None:
        flight, _ = flights.join("k", call)
        with flight.aboard():
            async for batch in flight.batches():
                seen.extend(batch)

    tasks = [asyncio.create_task(reader()), asyncio.create_task(wait_for(flights, call))]
    await asyncio.sleep(0.01)
    call.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["late", "late"]
    assert seen == [0, 1]


async def test_a_new_call_begins_once_the_old_one_landed() -> None:
    flights, call = Flights(), Call()
    call.go.set()
    assert await wait_for(flights, call) == await wait_for(flights, call) == "done"
    assert call.count == 2


async def test_somebody_who_comes_as_the_last_leaves_gets_a_call_of_their_own() -> None:
    flights, call = Flights(), Call()
    first = asyncio.create_task(wait_for(flights, call))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(wait_for(flights, call))
    await asyncio.sleep(0.01)
    call.go.set()
    assert await second == "done"
