"""What every store of replicas' counts does: in memory and on three real servers."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.tallies_memory import MemoryTallies
from synapse_cache.adapters.tallies_redis import RedisTallies
from synapse_cache.analytics.tallies import SharedTallies
from synapse_cache.ports import StoreUnavailable, TallyStore
from synapse_cache.stats import Stats, Tally
from tests.support.redis_servers import BINARIES, RedisServer

ACME = Tally(hits_exact=2, misses=1, cost_saved_nanos=10**15, miss_reasons=Counter({"no_candidate": 1}))
ALL = Tally(hits_exact=5, hits_semantic=1, misses=4, miss_reasons=Counter({"no_candidate": 3, "vetoed": 1}))


@pytest.fixture(params=["memory", *BINARIES])
async def store(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[TallyStore]:
    if request.param == "memory":
        yield MemoryTallies()
        return
    store = a_redis_store(redis_servers(request.param))
    yield store
    await store.close()


def a_redis_store(server: RedisServer) -> RedisTallies:
    return RedisTallies(RedisLink(server.url, timeout_seconds=5, max_connections=2), prefix=f"t-{secrets.token_hex(6)}")


async def test_others_counts_are_told_by_tenant_and_in_all(store: TallyStore) -> None:
    await store.post("one", ALL, {"acme": ACME})
    assert await store.others("two", "acme") == [ACME]
    assert await store.others("two", None) == [ALL]
    assert await store.others("two", "globex") == [Tally()]
    assert await store.others("one", None) == []


async def test_the_latest_word_counts_and_what_is_not_told_again_stays(store: TallyStore) -> None:
    await store.post("one", ALL, {"acme": ACME, "globex": ACME})
    await store.post("one", ALL, {"acme": ALL})
    assert await store.others("two", "acme") == [ALL]
    assert await store.others("two", "globex") == [ACME]


async def test_who_left_is_not_counted(store: TallyStore) -> None:
    await store.post("one", ALL, {})
    await store.post("three", ACME, {})
    await store.leave("one")
    assert await store.others("two", None) == [ACME]


async def test_while_redis_is_down_a_replica_tells_its_own() -> None:
    store = RedisTallies(RedisLink("redis://127.0.0.1:1/0", timeout_seconds=1, max_connections=1))
    with pytest.raises(StoreUnavailable):
        await store.others("two", None)
    own = Stats()
    own.stored("acme")
    assert await SharedTallies(own, store).of(None) == (Tally(stores=1), 1)
    await store.close()


async def test_two_replicas_tell_the_same_sum(store: TallyStore) -> None:
    first, second = Stats(), Stats()
    first.stored("acme")
    second.collapsed("acme")
    one, two = SharedTallies(first, store), SharedTallies(second, store)
    await one.tell()
    await two.tell()
    both = (Tally(stores=1, collapsed=1), 2)
    assert await one.of("acme") == await two.of("acme") == await one.of(None) == both
    second.collapsed("acme")
    await two.tell()
    assert await one.of(None) == (Tally(stores=1, collapsed=2), 2)
    await two.leave()
    assert await one.of("acme") == (Tally(stores=1), 1)
