"""What every exact store does with one alias alone: in memory and on three real servers."""

from __future__ import annotations

import secrets

import pytest

from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.model import Place
from tests.support.entries import a_live_entry
from tests.support.redis_servers import BINARIES

HERE = Place("acme", "default")
KEY, ALIAS, OTHER_ALIAS = "a" * 64, "c" * 64, "d" * 64


@pytest.fixture(params=["memory", *BINARIES])
async def store(request, redis_servers):
    if request.param == "memory":
        yield MemoryExactStore()
        return
    url = redis_servers(request.param).url
    store = RedisExactStore.open(url, prefix=f"t-{secrets.token_hex(6)}", socket_timeout_seconds=5)
    yield store
    await store.close()


@pytest.fixture
async def entry(store):
    """An entry with two aliases."""
    _, epoch = await store.get(HERE, "0")
    entry = a_live_entry(key=KEY, epoch=epoch)
    await store.put(entry, alias_keys=[ALIAS, OTHER_ALIAS])
    return entry


async def test_an_alias_goes_and_all_else_stays(store, entry):
    assert await store.unlink(HERE, ALIAS, entry.id)
    assert [(await store.get(HERE, key))[0] for key in (KEY, ALIAS, OTHER_ALIAS)] == [entry, None, entry]
    assert await store.find("acme", entry.id) == entry
    assert not await store.unlink(HERE, ALIAS, entry.id)


async def test_an_entrys_own_key_and_one_that_leads_elsewhere_stay(store, entry):
    assert not await store.unlink(HERE, KEY, entry.id)
    assert not await store.unlink(HERE, ALIAS, "another")
    assert not await store.unlink(Place("globex"), ALIAS, entry.id)
    assert [(await store.get(HERE, key))[0] for key in (KEY, ALIAS)] == [entry, entry]


async def test_an_alias_can_come_back(store, entry):
    await store.unlink(HERE, ALIAS, entry.id)
    await store.put(entry, alias_keys=[ALIAS])
    assert (await store.get(HERE, ALIAS))[0] == entry
    await store.delete("acme", entry.id)
    assert (await store.get(HERE, ALIAS))[0] is None
