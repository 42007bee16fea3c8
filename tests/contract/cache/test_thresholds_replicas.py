"""The books of two replicas on one real server: changes, restarts of a replica, outages and losses of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from uuid import uuid4

import pytest

from synapse_cache.assembly.thresholds import threshold_book
from synapse_cache.settings import CacheSettings
from synapse_cache.thresholds.threshold_book import ThresholdBook
from synapse_cache.thresholds.thresholds import Level
from synapse_runtime.errors import Unavailable
from tests.support.redis_servers import RedisServer

REPLICA_SECONDS = 1.0
AFTER_AN_OUTAGE_SECONDS = 5.0
IN_SHADOW = Level(shadow=True)


@pytest.fixture
def server(redis_servers: Callable[[str], RedisServer]) -> RedisServer:
    return redis_servers("valkey-9")


@pytest.fixture
def replica(server: RedisServer) -> Callable[[], AbstractAsyncContextManager[ThresholdBook]]:
    """Opens the book of a further replica."""
    settings = CacheSettings.model_validate({"redis_url": server.url, "redis_prefix": uuid4().hex})
    return lambda: threshold_book(settings)


@pytest.fixture
async def books(
    replica: Callable[[], AbstractAsyncContextManager[ThresholdBook]],
) -> AsyncIterator[tuple[ThresholdBook, ThresholdBook]]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(replica()), await stack.enter_async_context(replica())


async def until_in_shadow(book: ThresholdBook, *, within_seconds: float) -> float:
    """How many seconds passed before the change was in force."""
    started = time.perf_counter()
    async with asyncio.timeout(within_seconds):
        while not book.of("acme").shadow:  # noqa: ASYNC110  # a replica tells nobody
            await asyncio.sleep(0.005)
    return time.perf_counter() - started


async def test_a_change_is_in_force_on_the_other_replica_within_a_second(
    books: tuple[ThresholdBook, ThresholdBook],
) -> None:
    one, other = books
    await one.change("acme", IN_SHADOW)
    assert one.of("acme").shadow
    await until_in_shadow(other, within_seconds=REPLICA_SECONDS)


async def test_a_replica_that_starts_has_the_levels_before_it_serves(
    replica: Callable[[], AbstractAsyncContextManager[ThresholdBook]],
) -> None:
    async with replica() as book:
        await book.change("acme", IN_SHADOW)
    async with replica() as book:
        assert book.of("acme").shadow


async def test_an_outage_leaves_what_was_known_and_is_caught_up_with(
    server: RedisServer, books: tuple[ThresholdBook, ThresholdBook]
) -> None:
    one, other = books
    await one.change("globex", Level(max_error=0.002))
    await other.follow()
    server.pause()
    with pytest.raises(Unavailable):
        await one.change("acme", IN_SHADOW)
    assert (other.of("globex").max_error, other.of("acme").shadow) == (0.002, False)
    server.resume()
    await one.change("acme", IN_SHADOW)
    await until_in_shadow(other, within_seconds=AFTER_AN_OUTAGE_SECONDS)


async def test_a_server_that_is_down_at_the_start_leaves_the_settings_until_it_is_there(
    server: RedisServer, replica: Callable[[], AbstractAsyncContextManager[ThresholdBook]]
) -> None:
    async with replica() as one:
        await one.change("acme", IN_SHADOW)
        server.pause()
        async with replica() as late:
            assert not late.of("acme").shadow
            server.resume()
            await until_in_shadow(late, within_seconds=AFTER_AN_OUTAGE_SECONDS)


async def test_a_server_that_lost_everything_is_given_it_again(
    server: RedisServer, replica: Callable[[], AbstractAsyncContextManager[ThresholdBook]]
) -> None:
    async with replica() as one:
        await one.change("acme", IN_SHADOW)
        server.stop()
        server.start()
        async with replica() as late:
            await until_in_shadow(late, within_seconds=AFTER_AN_OUTAGE_SECONDS)
        assert one.of("acme").shadow
