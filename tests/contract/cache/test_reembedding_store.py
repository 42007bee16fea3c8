"""What every store of the re-embedding does: in memory and on three real servers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.reembedding_memory import MemoryReembedding
from synapse_cache.adapters.reembedding_redis import RedisReembedding
from synapse_cache.ports import ReembeddingStore, StoreUnavailable
from synapse_cache.reembedding.reembedding import Plan, Progress, Space, Stage, View
from tests.support.clock import Clock
from tests.support.redis_servers import BINARIES, RedisServer

PLAN = Plan("p1", Stage.BUILDING, Space("mini", "fp;a=1", 384), Space("bge-m3 é", "fp;b=2", 1024), 1_795_000_000.25)
DECIDED = replace(PLAN, stage=Stage.FAILED, rounds=3, decided_at=1_795_000_001.5, removed=True, error="it broke\n")
IDLE = Progress("")


@pytest.fixture(params=["memory", *BINARIES])
async def store(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[ReembeddingStore]:
    if request.param == "memory":
        yield MemoryReembedding()
        return
    store = a_redis_store(redis_servers(request.param))
    yield store
    await store.close()


def a_redis_store(server: RedisServer, *, prefix: str = "", timeout_seconds: float = 5) -> RedisReembedding:
    prefix = prefix or f"t-{secrets.token_hex(6)}"
    return RedisReembedding.open(server.url, prefix=prefix, timeout_seconds=timeout_seconds)


async def test_of_nothing_only_who_asks_is_known(store: ReembeddingStore) -> None:
    assert await store.exchange("r1", IDLE) == View(0, None, {"r1": IDLE})


@pytest.mark.parametrize("plan", [PLAN, DECIDED])
async def test_a_plan_is_heard_whole(store: ReembeddingStore, plan: Plan) -> None:
    version = await store.put(plan, after=0)
    view = await store.exchange("r1", IDLE)
    assert view.version == version > 0
    assert view.plan == plan


async def test_a_plan_is_changed_only_by_who_knows_it(store: ReembeddingStore) -> None:
    first = await store.put(PLAN, after=0)
    assert await store.put(DECIDED, after=0) == 0
    assert (await store.exchange("r1", IDLE)).plan == PLAN
    assert await store.put(DECIDED, after=first) > first
    assert (await store.exchange("r1", IDLE)).plan == DECIDED


async def test_of_many_changes_at_once_one_is_made(store: ReembeddingStore) -> None:
    versions = await asyncio.gather(*(store.put(replace(PLAN, id=f"p{number}"), after=0) for number in range(8)))
    assert sum(version > 0 for version in versions) == 1


async def test_replicas_hear_what_each_tells(store: ReembeddingStore) -> None:
    busy = Progress("p1", mirrors=True, lapses=2, built=1, done=5, total=9, trouble="a word")
    await store.exchange("r1", IDLE)
    await store.exchange("r2", busy)
    assert (await store.exchange("r1", replace(IDLE, lapses=1))).replicas == {"r1": replace(IDLE, lapses=1), "r2": busy}


async def test_a_lost_plan_is_given_back_and_a_newer_one_stays(store: ReembeddingStore) -> None:
    version = await store.put(PLAN, after=0)
    await store.restore(version, DECIDED)
    assert (await store.exchange("r1", IDLE)).plan == PLAN
    await store.restore(version + 1, DECIDED)
    view = await store.exchange("r1", IDLE)
    assert (view.version, view.plan) == (version + 1, DECIDED)


async def test_a_replica_that_is_silent_is_forgotten() -> None:
    clock = Clock()
    store = MemoryReembedding(clock=clock)
    await store.exchange("r1", IDLE)
    clock.advance(4)
    assert set((await store.exchange("r2", IDLE)).replicas) == {"r1", "r2"}
    clock.advance(2)
    assert set((await store.exchange("r2", IDLE)).replicas) == {"r2"}


@pytest.mark.parametrize("binary", BINARIES)
async def test_a_replica_that_is_silent_is_forgotten_by_the_servers_clock(
    redis_servers: Callable[[str], RedisServer], binary: str
) -> None:
    server, prefix = redis_servers(binary), f"t-{secrets.token_hex(6)}"
    store, link = a_redis_store(server, prefix=prefix), RedisLink(server.url, timeout_seconds=5, max_connections=1)
    await store.exchange("r1", IDLE)
    told = await link.call("HGET", f"{prefix}:reembedding", "r:r1")
    seen, _, text = told.partition(b" ")
    await link.call("HSET", f"{prefix}:reembedding", "r:r1", b"%d %s" % (int(seen) - 6000, text))
    assert set((await store.exchange("r2", IDLE)).replicas) == {"r2"}
    assert await link.call("HGET", f"{prefix}:reembedding", "r:r1") is None
    await store.close()
    await link.close()


@pytest.mark.parametrize("binary", BINARIES)
async def test_what_is_no_plan_is_left_out(redis_servers: Callable[[str], RedisServer], binary: str) -> None:
    server, prefix = redis_servers(binary), f"t-{secrets.token_hex(6)}"
    store, link = a_redis_store(server, prefix=prefix), RedisLink(server.url, timeout_seconds=5, max_connections=1)
    for broken in ("{", "[]", '{"stage": "x"}', '{"old": 7, "new": {}}'):
        await link.call("HSET", f"{prefix}:reembedding", "plan", broken, "v", "3")
        assert (await store.exchange("r1", IDLE)).plan is None
    await store.close()
    await link.close()


async def test_a_server_that_is_gone_is_unavailable() -> None:
    store = RedisReembedding.open("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    for work in (store.exchange("r1", IDLE), store.put(PLAN, after=0), store.restore(1, PLAN)):
        with pytest.raises(StoreUnavailable):
            await work
    await store.close()
