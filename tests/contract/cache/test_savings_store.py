"""What every store of savings does: in memory and on three real servers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.savings_memory import MemorySavings
from synapse_cache.adapters.savings_redis import RedisSavings
from synapse_cache.analytics.savings import MOST_MODELS, OTHER_MODEL, Account, Saved
from synapse_cache.ports import SavingsStore, StoreUnavailable
from tests.support.clock import Clock
from tests.support.redis_servers import BINARIES, RedisServer

TODAY, YESTERDAY = "2026-11-23", "2026-11-22"
MINE = Account("acme", TODAY, "m")
SOME = Saved(requests=3, hits=2, tokens=24, cost_nanos=10**15, micros=1_500_000)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_795_456_000)  # 2026-11-23


@pytest.fixture(params=["memory", *BINARIES])
async def store(
    request: pytest.FixtureRequest, clock: Clock, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[SavingsStore]:
    if request.param == "memory":
        yield MemorySavings(clock=clock)
        return
    store = a_redis_store(redis_servers(request.param), clock)
    yield store
    await store.close()


def a_redis_store(server: RedisServer, clock: Clock, prefix: str = "") -> RedisSavings:
    link = RedisLink(server.url, timeout_seconds=5, max_connections=2)
    return RedisSavings(link, prefix=prefix or f"t-{secrets.token_hex(6)}", clock=clock)


async def all_of(store: SavingsStore, tenant: str | None = "acme") -> dict[Account, Saved]:
    return await store.read(tenant, first_day="2026-01-01", last_day=TODAY)


async def test_nothing_is_saved_at_first(store: SavingsStore) -> None:
    assert await all_of(store) == {}
    assert await all_of(store, None) == {}


async def test_what_is_added_adds_up(store: SavingsStore) -> None:
    await store.add({MINE: SOME}, batch_id="b1")
    await store.add({MINE: SOME, MINE._replace(model="n:x"): Saved(1)}, batch_id="b2")
    assert await all_of(store) == {MINE: SOME + SOME, MINE._replace(model="n:x"): Saved(1)}


async def test_a_batch_that_is_sent_again_is_added_once(store: SavingsStore) -> None:
    batch = {MINE: SOME, MINE._replace(day=YESTERDAY): SOME, MINE._replace(tenant="globex"): SOME}
    await store.add(batch, batch_id="b1")
    await store.add(batch, batch_id="b1")
    assert await all_of(store, None) == batch


async def test_only_the_days_asked_for_are_told(store: SavingsStore) -> None:
    await store.add({MINE: SOME, MINE._replace(day=YESTERDAY): SOME}, batch_id="b1")
    assert set(await store.read("acme", first_day=YESTERDAY, last_day=YESTERDAY)) == {MINE._replace(day=YESTERDAY)}
    assert set(await store.read(None, first_day=TODAY, last_day=TODAY)) == {MINE}


@pytest.mark.parametrize(("one", "other"), [("acme", "globex"), ("a", "a "), ("", " "), ("é", "e\u0301"), ("a b", "a")])
async def test_a_tenants_savings_are_its_own(store: SavingsStore, one: str, other: str) -> None:
    await store.add({MINE._replace(tenant=one): SOME}, batch_id="b1")
    assert await all_of(store, other) == {}
    assert await all_of(store, None) == {MINE._replace(tenant=one): SOME}


async def test_models_without_end_are_counted_together(store: SavingsStore) -> None:
    for batch in range(0, MOST_MODELS + 20, 40):
        names = (f"m{number}" for number in range(batch, batch + 40))
        await store.add({MINE._replace(model=name): Saved(requests=1) for name in names}, batch_id=f"b{batch}")
    found = await all_of(store)
    assert len(found) == MOST_MODELS + 1
    assert found[MINE._replace(model=OTHER_MODEL)] == Saved(requests=20)
    await store.add({MINE._replace(model="m0"): Saved(requests=1)}, batch_id="last")
    assert (await all_of(store))[MINE._replace(model="m0")] == Saved(requests=2)


async def test_days_of_long_ago_are_forgotten(store: SavingsStore, clock: Clock) -> None:
    await store.add({MINE: SOME}, batch_id="b1")
    clock.advance(401 * 86_400)
    await store.add({MINE._replace(day="2027-12-29"): SOME}, batch_id="b2")
    found = await store.read(None, first_day="2026-01-01", last_day="2027-12-29")
    assert set(found) == {MINE._replace(day="2027-12-29")}


async def test_replicas_add_to_the_same_sums(redis_server: RedisServer, clock: Clock) -> None:
    prefix = f"t-{secrets.token_hex(6)}"
    here, there = a_redis_store(redis_server, clock, prefix), a_redis_store(redis_server, clock, prefix)
    await here.add({MINE: SOME}, batch_id="b1")
    await there.add({MINE: SOME}, batch_id="b2")
    assert await all_of(here) == {MINE: SOME + SOME}
    await here.close()
    await there.close()


async def test_a_server_that_is_down_is_a_typed_failure(redis_server: RedisServer, clock: Clock) -> None:
    store = a_redis_store(redis_server, clock)
    redis_server.stop()
    with pytest.raises(StoreUnavailable):
        await store.add({MINE: SOME}, batch_id="b1")
    with pytest.raises(StoreUnavailable):
        await all_of(store)
    await store.close()
