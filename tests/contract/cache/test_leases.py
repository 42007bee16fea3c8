"""What every keeper of leases does: in memory and on three real servers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from synapse_cache.adapters.leases_memory import MemoryLeases
from synapse_cache.adapters.leases_redis import RedisLeases
from synapse_cache.flights.leases import Lease, Leases
from synapse_cache.model import CallKey, Place
from synapse_runtime.background import background
from tests.support.redis_servers import BINARIES

CALL = CallKey(Place("acme", "default", 7), "a" * 64)
LONG = 30.0
SOON = 5.0
MINE, OTHERS = "1" * 16, "2" * 16


async def opened(kind: str, request: pytest.FixtureRequest, stack: AsyncExitStack) -> list[Leases]:
    """The leases as two replicas see them, which hear each other."""
    if kind == "memory":
        both: list[Any] = [MemoryLeases()] * 2
    else:
        url, prefix = request.getfixturevalue("redis_servers")(kind).url, f"t-{secrets.token_hex(6)}"
        both = [RedisLeases.open(url, prefix=prefix, timeout_seconds=5, hello_seconds=0.2) for _ in range(2)]
        for one in both:
            stack.push_async_callback(one.close)
    return both


@pytest.fixture(params=["memory", *BINARIES])
async def both(request: pytest.FixtureRequest) -> AsyncIterator[list[Leases]]:
    async with AsyncExitStack() as stack:
        both = await opened(request.param, request, stack)
        for one in both:
            await stack.enter_async_context(background(leases=lambda one=one: one.run(lambda _: None)))
        yield both


@pytest.fixture
def here(both: list[Leases]) -> Leases:
    return both[0]


@pytest.fixture
def there(both: list[Leases]) -> Leases:
    return both[1]


async def waiting(leases: Leases, *, seconds: float = SOON) -> asyncio.Task[Lease]:
    """Somebody who found the lease taken and waits."""
    assert await leases.acquire(CALL, OTHERS, seconds=LONG) is Lease.TAKEN
    task = asyncio.create_task(leases.wait(CALL, seconds=seconds))
    await asyncio.sleep(0.05)
    return task


async def test_one_of_many_gets_the_lease(here: Leases, there: Leases) -> None:
    asked = [leases.acquire(CALL, secrets.token_hex(8), seconds=LONG) for leases in (here, there) * 25]
    won = await asyncio.gather(*asked)
    assert sorted(won) == [Lease.OWN] + [Lease.TAKEN] * 49


async def test_who_holds_the_lease_may_ask_for_it_again(here: Leases, there: Leases) -> None:
    assert [await here.acquire(CALL, MINE, seconds=LONG) for _ in range(2)] == [Lease.OWN] * 2
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.TAKEN
    assert await here.acquire(CALL, MINE, seconds=LONG) is Lease.OWN


@pytest.mark.parametrize(
    "other",
    [
        CallKey(Place("globex", "default", 7), CALL.key),
        CallKey(Place("acme", "drafts", 7), CALL.key),
        CallKey(Place("acme", "default", 8), CALL.key),
        CallKey(CALL.place, "b" * 64),
        CallKey(CALL.place, CALL.key, "c" * 64),
    ],
)
async def test_another_call_has_a_lease_of_its_own(here: Leases, there: Leases, other: CallKey) -> None:
    assert await here.acquire(CALL, MINE, seconds=LONG) is Lease.OWN
    assert await there.acquire(other, OTHERS, seconds=LONG) is Lease.OWN


async def test_who_waits_is_freed_when_the_answer_is_stored(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=LONG)
    waits = await waiting(there)
    released = time.monotonic()
    await here.release(CALL, MINE)
    assert await waits is Lease.FREE
    assert time.monotonic() - released < 0.4
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.OWN


async def test_nobody_waits_for_an_answer_that_none_may_share(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=LONG)
    waits = await waiting(there)
    await here.release(CALL, MINE, unshared=True)
    assert await waits is Lease.UNSHARED
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.UNSHARED
    assert await there.wait(CALL, seconds=SOON) is Lease.UNSHARED
    await asyncio.sleep(1.1)
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.OWN


async def test_a_lease_that_is_not_renewed_ends(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=0.3)
    waits = await waiting(there)
    assert await waits is Lease.FREE
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.OWN


async def test_a_renewed_lease_lasts(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=0.3)
    waits = await waiting(there, seconds=0.7)
    await here.renew({CALL: MINE}, seconds=LONG)
    assert await waits is Lease.TAKEN
    assert await there.acquire(CALL, OTHERS, seconds=LONG) is Lease.TAKEN


async def test_a_late_leader_can_neither_release_nor_renew_anothers_lease(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=0.2)
    await asyncio.sleep(0.3)
    await there.acquire(CALL, OTHERS, seconds=0.5)
    await here.release(CALL, MINE)
    await here.release(CALL, MINE, unshared=True)
    await here.renew({CALL: MINE}, seconds=LONG)
    assert await here.acquire(CALL, MINE, seconds=LONG) is Lease.TAKEN
    assert await here.wait(CALL, seconds=SOON) is Lease.FREE


async def test_a_token_that_begins_like_another_is_another(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=LONG)
    assert await there.acquire(CALL, MINE[:4], seconds=LONG) is Lease.TAKEN
    await there.release(CALL, MINE[:4])
    assert await there.acquire(CALL, MINE + "1", seconds=LONG) is Lease.TAKEN


async def test_a_wait_ends_with_its_own_time(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=LONG)
    started = time.monotonic()
    assert await there.wait(CALL, seconds=0.2) is Lease.TAKEN
    assert time.monotonic() - started < 1


async def test_a_holder_that_was_replaced_is_waited_for_no_longer(here: Leases, there: Leases) -> None:
    await here.acquire(CALL, MINE, seconds=LONG)
    waits = await waiting(there)
    await here.release(CALL, MINE)
    await here.acquire(CALL, "3" * 16, seconds=LONG)
    assert await waits is Lease.FREE


async def test_a_lease_that_nobody_holds_is_not_waited_for(here: Leases) -> None:
    assert await here.wait(CALL, seconds=LONG) is Lease.FREE


@pytest.mark.parametrize("tenant", ["acme", "a b*", "", "*", None])
@pytest.mark.parametrize("kind", ["memory", *BINARIES])
async def test_a_flush_is_heard_by_the_others(request: pytest.FixtureRequest, kind: str, tenant: str | None) -> None:
    heard: list[str | None] = []
    async with AsyncExitStack() as stack:
        here, there = await opened(kind, request, stack)
        await stack.enter_async_context(background(listens=lambda: there.run(heard.append)))
        await asyncio.sleep(0.02)  # its task begins
        await until(lambda: not isinstance(there, RedisLeases) or there.listens)
        await here.flush(tenant)
        await until(lambda: bool(heard))
    assert heard == [tenant]


async def until(done: Callable[[], bool]) -> None:
    """Wait for something that comes soon."""
    async with asyncio.timeout(SOON):
        while not done():  # noqa: ASYNC110  # leases have no event for it
            await asyncio.sleep(0.01)
