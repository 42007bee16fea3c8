"""What every store of relations does: in memory and on three real servers."""

from __future__ import annotations

import dataclasses
import secrets

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.kinship_memory import MemoryKinshipStore
from synapse_cache.adapters.kinship_redis import RedisKinshipStore
from synapse_cache.feedback.relations import Relation
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Source
from tests.support.redis_servers import BINARIES

HERE = ("acme", "default")
NASTY = [("a:b", "c"), ("a", "b:c"), ("a}b", "{c}"), ("é\n", '"\0'), ("", "x")]
MOST = 5


def link(server) -> RedisLink:
    return RedisLink(server.url, timeout_seconds=5, max_connections=2)


@pytest.fixture(params=["memory", *BINARIES])
async def store(request, redis_servers):
    if request.param == "memory":
        yield MemoryKinshipStore(most=MOST)
        return
    store = RedisKinshipStore(link(redis_servers(request.param)), prefix=f"t-{secrets.token_hex(6)}", most=MOST)
    yield store
    await store.close()


def a_relation(number: int = 1, **changes) -> Relation:
    base = Relation(Source.FEEDBACK, f"e{number}", "w" * 64, False, 1_795_000_000.25 + number, "k" * 64, "a1")
    return dataclasses.replace(base, **changes)


async def test_nothing_is_known_of_a_new_namespace(store):
    assert await store.load(HERE) == []


async def test_what_was_added_is_known_whole(store):
    known = [a_relation(), a_relation(2, source=Source.AUDIT, same=True, entry_key="", asked_id="")]
    await store.add([(HERE, one) for one in known])
    assert sorted(await store.load(HERE), key=lambda one: one.entry_id) == known


@pytest.mark.parametrize("home", NASTY)
async def test_no_namespace_sees_another(store, home):
    await store.add([(other, a_relation(number)) for number, other in enumerate(NASTY)])
    assert await store.load(home) == [a_relation(NASTY.index(home))]


async def test_adding_again_changes_nothing_and_the_newest_time_stays(store):
    for at in (2.0, 3.0, 1.0):
        await store.add([(HERE, a_relation(at=at))])
    assert [one.at for one in await store.load(HERE)] == [3.0]


async def test_only_the_newest_are_kept(store):
    await store.add([(HERE, a_relation(number)) for number in (3, 1, 8, 5, 7, 2, 6, 4)])
    assert sorted(one.entry_id for one in await store.load(HERE)) == ["e4", "e5", "e6", "e7", "e8"]


async def test_what_is_added_after_a_cursor_is_told_in_its_order(store):
    await store.add([(HERE, a_relation(1))])
    cursor = await store.cursor()
    assert await store.changes(cursor, limit=10) == (cursor, [])
    added = [(HERE, a_relation(2)), (("globex", "x"), a_relation(3))]
    await store.add(added)
    after, changes = await store.changes(cursor, limit=10)
    assert changes == added
    assert (await store.changes(after, limit=10))[1] == []


async def test_changes_come_in_parts(store):
    cursor, told = await store.cursor(), []
    await store.add([(HERE, a_relation(number)) for number in range(5)])
    for expected in (2, 2, 1, 0):
        cursor, changes = await store.changes(cursor, limit=2)
        assert len(changes) == expected
        told += changes
    assert told == [(HERE, a_relation(number)) for number in range(5)]


async def test_adding_nothing_is_nothing(store):
    await store.add([])


async def test_what_is_no_relation_is_left_out(redis_servers):
    bare = link(redis_servers("valkey-9"))
    prefix = f"t-{secrets.token_hex(6)}"
    store = RedisKinshipStore(bare, prefix=prefix)
    await store.add([(HERE, a_relation())])
    name = next(name for name in await bare.call("KEYS", f"{prefix}:*kin"))
    await bare.call("ZADD", name, 5, b"nonsense", 6, b'["rumour","e","w",true,"",""]')
    assert await store.load(HERE) == [a_relation()]
    await store.close()


async def test_a_dead_server_is_told():
    store = RedisKinshipStore(RedisLink("redis://127.0.0.1:1/0", timeout_seconds=1, max_connections=1))
    for call in (store.load(HERE), store.add([(HERE, a_relation())]), store.cursor(), store.changes("0-0", limit=1)):
        with pytest.raises(StoreUnavailable):
            await call
