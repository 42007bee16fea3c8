"""Exact stores, in memory and on three real servers, for the claims that hold for every one."""

from __future__ import annotations

import secrets

import pytest

from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.model import Place
from tests.support.clock import Clock
from tests.support.entries import an_entry
from tests.support.redis_servers import BINARIES

HERE = Place("acme", "default")
KEY, ALIAS, OTHER_ALIAS = "a" * 64, "c" * 64, "d" * 64
HOUR = 3600.0


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


@pytest.fixture
def entry_at(store, clock):
    """Makes an entry of a place's current epoch that lives for an hour."""

    async def make(place=HERE, **changes):
        _, epoch = await store.get(place, "0")
        home = {"tenant": place.tenant, "namespace": place.namespace, "epoch": epoch}
        return an_entry(**{"created_at": clock(), "expires_at": clock() + HOUR, "key": KEY} | home | changes)

    return make
