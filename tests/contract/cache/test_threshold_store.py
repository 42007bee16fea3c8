"""What every store of thresholds does: in memory and on three real servers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.thresholds_memory import MemoryThresholdStore
from synapse_cache.adapters.thresholds_redis import RedisThresholdStore
from synapse_cache.ports import StoreUnavailable, ThresholdStore
from synapse_cache.thresholds.thresholds import NAMES, Level
from tests.support.redis_servers import BINARIES, RedisServer

WHOLE = Level(**{name: name == "shadow" or 0.25 for name in NAMES}, only_tightens=True)


@pytest.fixture(params=["memory", *BINARIES])
async def store(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[ThresholdStore]:
    if request.param == "memory":
        yield MemoryThresholdStore()
        return
    store = a_redis_store(redis_servers(request.param))
    yield store
    await store.close()


def a_redis_store(server: RedisServer, *, prefix: str = "", timeout_seconds: float = 5) -> RedisThresholdStore:
    prefix = prefix or f"t-{secrets.token_hex(6)}"
    return RedisThresholdStore.open(server.url, prefix=prefix, timeout_seconds=timeout_seconds)


async def test_an_empty_store_has_no_version_and_no_levels(store: ThresholdStore) -> None:
    assert await store.version() == 0
    assert await store.load() == (0, {})


@pytest.mark.parametrize("tenant", ["", "acme", "v", "t:", "a:b c", "é\n\0", "x" * 300])
async def test_what_was_put_is_loaded_whole(store: ThresholdStore, tenant: str) -> None:
    version = await store.put(tenant, WHOLE, after=0)
    assert await store.version() == version > 0
    assert await store.load() == (version, {tenant: WHOLE})


async def test_each_change_has_a_greater_version(store: ThresholdStore) -> None:
    version = 0
    for share in (0.1, 0.2, 0.3):
        newer = await store.put("acme", Level(audit_share=share), after=version)
        assert newer > version
        version = newer
    assert (await store.load())[1] == {"acme": Level(audit_share=0.3)}


async def test_a_change_of_an_older_state_is_refused(store: ThresholdStore) -> None:
    version = await store.put("acme", Level(shadow=True), after=0)
    assert await store.put("acme", Level(shadow=False), after=0) == 0
    assert await store.load() == (version, {"acme": Level(shadow=True)})


async def test_of_changes_at_the_same_moment_one_wins(store: ThresholdStore) -> None:
    puts = (store.put(f"tenant-{number}", Level(shadow=True), after=0) for number in range(8))
    versions = await asyncio.gather(*puts)
    assert sum(version > 0 for version in versions) == 1


async def test_a_level_that_sets_nothing_is_removed_and_the_version_stays(store: ThresholdStore) -> None:
    version = await store.put("acme", Level(shadow=True), after=0)
    newer = await store.put("acme", Level(), after=version)
    assert await store.load() == (newer, {})
    assert newer > version


async def test_a_store_that_knows_less_is_restored(store: ThresholdStore) -> None:
    later = 9_000_000_000_000_000
    await store.put("globex", Level(shadow=True), after=0)
    await store.restore(later, {"": WHOLE, "acme": Level(shadow=False)})
    assert await store.load() == (later, {"": WHOLE, "acme": Level(shadow=False)})


async def test_a_store_that_knows_more_is_left_alone(store: ThresholdStore) -> None:
    version = await store.put("acme", Level(shadow=True), after=0)
    await store.restore(version, {"globex": WHOLE})
    assert await store.load() == (version, {"acme": Level(shadow=True)})


async def test_replicas_share_what_is_in_redis(redis_server: RedisServer) -> None:
    prefix = f"t-{secrets.token_hex(6)}"
    one, other = a_redis_store(redis_server, prefix=prefix), a_redis_store(redis_server, prefix=prefix)
    await one.put("acme", WHOLE, after=0)
    assert (await other.load())[1] == {"acme": WHOLE}
    await one.close()
    await other.close()


@pytest.mark.parametrize("value", [b"", b"[1]", b"7", b"{", b'{"shadow": "yes"}', b'{"max_error": true}'])
async def test_a_value_that_is_no_level_is_left_out(redis_server: RedisServer, value: bytes) -> None:
    prefix = f"t-{secrets.token_hex(6)}"
    store, link = (
        a_redis_store(redis_server, prefix=prefix),
        RedisLink(redis_server.url, timeout_seconds=5, max_connections=1),
    )
    await store.put("acme", WHOLE, after=0)
    await link.call("HSET", f"{prefix}:thresholds", "t:globex", value)
    await link.call("HSET", f"{prefix}:thresholds", "t:later", b'{"shadow": true, "from_a_later_version": [1]}')
    assert (await store.load())[1] == {"acme": WHOLE, "later": Level(shadow=True)}
    await store.close()
    await link.close()


async def test_a_server_that_does_not_answer_is_unavailable(redis_server: RedisServer) -> None:
    store = a_redis_store(redis_server, timeout_seconds=0.1)
    redis_server.pause()
    with pytest.raises(StoreUnavailable):
        await store.version()
    redis_server.resume()
    await store.close()
