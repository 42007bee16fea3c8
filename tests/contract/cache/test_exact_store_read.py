"""What every exact store gives of entries that were named to it."""

from __future__ import annotations

import secrets

import pytest

from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.invalidation.conditions import ref_of
from synapse_cache.model import Place
from tests.support.clock import Clock
from tests.support.entries import an_entry
from tests.support.redis_servers import BINARIES


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", *BINARIES])
async def store(request, clock, redis_servers):
    if request.param == "memory":
        yield MemoryExactStore(clock=clock)
        return
    url = redis_servers(request.param).url
    store = RedisExactStore.open(url, prefix=f"t-{secrets.token_hex(6)}", socket_timeout_seconds=5, clock=clock)
    yield store
    await store.close()


async def put(store, clock, entry_id, *, namespace="default", **changes):
    """An entry that is in the store."""
    _, epoch = await store.get(Place("acme", namespace), "0")
    lives = {"created_at": clock(), "expires_at": clock() + 60, "epoch": epoch, "namespace": namespace}
    entry = an_entry(**{"id": entry_id, "key": entry_id[0] * 64} | lives | changes)
    await store.put(entry)
    return entry


async def test_named_entries_of_all_namespaces_are_read_at_once(store, clock):
    entries = [await put(store, clock, "a"), await put(store, clock, "b", namespace="docs")]
    found = await store.read("acme", [ref_of(entry) for entry in entries])
    assert sorted(found, key=lambda entry: entry.id) == entries


async def test_what_was_replaced_expired_or_never_there_is_not_read(store, clock):
    old = await put(store, clock, "a1")
    await put(store, clock, "a2")
    short = await put(store, clock, "b", expires_at=clock() + 1)
    clock.advance(2)
    assert await store.read("acme", [ref_of(old), ref_of(short), ref_of(an_entry(id="c"))]) == []
    assert await store.read("acme", []) == []


async def test_another_tenants_entry_is_not_read(store, clock):
    entry = await put(store, clock, "a")
    assert await store.read("globex", [ref_of(entry)]) == []
