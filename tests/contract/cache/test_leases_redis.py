"""What leases in Redis add: replicas that notice each other, outages, what an exchange costs; on three real servers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable

import pytest
import redis

from synapse_cache.adapters.leases_redis import RedisLeases
from synapse_cache.flights.leases import Lease
from synapse_cache.model import CallKey, Place
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.background import background
from tests.support.redis_servers import RedisServer

CALL = CallKey(Place("acme", "default", 7), "a" * 64)
HELLO = 0.1
MINE, OTHERS = "1" * 16, "2" * 16


@pytest.fixture
async def make(redis_server: RedisServer) -> AsyncIterator[Callable[[], RedisLeases]]:
    """Makes the leases as further replicas see them."""
    prefix, made = f"t-{secrets.token_hex(6)}", []

    def another() -> RedisLeases:
        made.append(RedisLeases.open(redis_server.url, prefix=prefix, timeout_seconds=1, hello_seconds=HELLO))
        return made[-1]

    yield another
    for one in made:
        await one.close()


async def until(done: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait for something that comes soon."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110  # leases have no event for it
            await asyncio.sleep(0.01)


async def ignore(leases: RedisLeases) -> None:
    """Listen as a replica that cares for no flush."""
    await leases.run(lambda _: None)


async def test_a_replica_notices_that_it_is_alone_and_that_another_comes_and_goes(
    make: Callable[[], RedisLeases],
) -> None:
    here, there = make(), make()
    assert not here.alone  # not known yet
    async with background(here=lambda: ignore(here)):
        await until(lambda: here.alone)
        async with background(there=lambda: ignore(there)):
            await until(lambda: not here.alone)
            await asyncio.sleep(4 * HELLO)
            assert not here.alone
            assert not there.alone
        await until(lambda: here.alone)


async def test_who_cannot_listen_does_not_think_that_it_is_alone(
    make: Callable[[], RedisLeases], redis_server: RedisServer
) -> None:
    here = make()
    async with background(here=lambda: ignore(here)):
        await until(lambda: here.alone)
        redis_server.stop()
        await until(lambda: not here.alone)
        redis_server.start()
        await until(lambda: here.alone)


async def test_a_channel_that_falls_silent_is_opened_anew(
    make: Callable[[], RedisLeases], redis_server: RedisServer
) -> None:
    here = make()
    async with background(here=lambda: ignore(here)):
        await until(lambda: here.listens)
        redis_server.pause()
        try:
            await until(lambda: not here.listens)
        finally:
            redis_server.resume()
        await until(lambda: here.listens)


async def test_a_release_is_found_by_who_hears_nothing(make: Callable[[], RedisLeases]) -> None:
    here, there = make(), make()
    await here.acquire(CALL, MINE, seconds=30)
    assert await there.acquire(CALL, OTHERS, seconds=30) is Lease.TAKEN
    waits = asyncio.create_task(there.wait(CALL, seconds=5))
    await asyncio.sleep(0.05)
    await here.release(CALL, MINE)
    assert await waits is Lease.FREE


async def test_a_dead_server_is_told(make: Callable[[], RedisLeases], redis_server: RedisServer) -> None:
    here = make()
    await here.acquire(CALL, MINE, seconds=30)
    waits = asyncio.create_task(here.wait(CALL, seconds=30))
    await asyncio.sleep(0.05)
    redis_server.stop()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await waits
    assert time.monotonic() - started < 2
    with pytest.raises(StoreUnavailable):
        await here.acquire(CALL, MINE, seconds=30)


async def test_a_lease_costs_one_command_to_take_and_one_to_let_go_and_nobody_is_told(
    make: Callable[[], RedisLeases], redis_server: RedisServer
) -> None:
    here = make()
    with redis.Redis.from_url(redis_server.url) as operator:
        operator.config_resetstat()
        await here.acquire(CALL, MINE, seconds=30)
        await here.release(CALL, MINE, unshared=True)
        used = {name: stat["calls"] for name, stat in operator.info("commandstats").items()}
        assert used["cmdstat_eval"] == 2
        assert "cmdstat_publish" not in used
        assert operator.keys("t-*") == []


async def test_what_is_left_behind_goes_by_itself(make: Callable[[], RedisLeases], redis_server: RedisServer) -> None:
    here, there = make(), make()
    await here.acquire(CALL, MINE, seconds=30)
    await there.acquire(CALL, OTHERS, seconds=30)
    with redis.Redis.from_url(redis_server.url) as operator:
        (name,) = operator.keys("t-*")
        assert 29_000 < operator.pttl(name) <= 30_000
        await here.release(CALL, MINE, unshared=True)
        assert 0 < operator.pttl(name) <= 1_000
