"""What the Redis store adds: bytes that others wrote, outages, bounds, secrets; on three real servers."""

from __future__ import annotations

import asyncio
import secrets
import time

import pytest
import redis
from prometheus_client import REGISTRY

from synapse_cache.adapters.codec import encode
from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.invalidation.conditions import Conditions, ref_of
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from tests.support.entries import a_live_entry

HERE = Place("acme", "default")
KEY, ALIAS = "a" * 64, "c" * 64
TIMEOUT = 0.4
SLACK = 1.5


@pytest.fixture
def prefix():
    return f"t-{secrets.token_hex(6)}"


@pytest.fixture
def operator(redis_server):
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
async def store(redis_server, prefix):
    store = RedisExactStore.open(redis_server.url, prefix=prefix, socket_timeout_seconds=10, max_connections=4)
    yield store
    await store.close()


@pytest.fixture
async def impatient(redis_server, prefix):
    """The same store for a caller that waits TIMEOUT only, with connections open."""
    store = RedisExactStore.open(redis_server.url, prefix=prefix, socket_timeout_seconds=TIMEOUT, max_connections=4)
    await store.ping()
    yield store
    await store.close()


@pytest.fixture
async def entry(store):
    _, epoch = await store.get(HERE, KEY)
    entry = a_live_entry(epoch=epoch, key=KEY)
    await store.put(entry, alias_keys=[ALIAS])
    return entry


def name_of(operator, prefix, key=KEY):
    (name,) = operator.keys(f"{prefix}:*:x:{key}")
    return name


def rejected(reason):
    labels = {"store": "redis", "reason": reason}
    return REGISTRY.get_sample_value("synapse_cache_rejected_entries_total", labels) or 0


async def unavailable(call):
    """Seconds until `call` raised StoreUnavailable."""
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await call
    return time.monotonic() - started


async def test_a_hit_is_one_command(store, entry, operator):
    operator.config_resetstat()
    assert await store.get(HERE, ALIAS) == (entry, entry.epoch)
    used = {name: stat["calls"] for name, stat in operator.info("commandstats").items() if "config" not in name}
    assert used == {"cmdstat_mget": 1}


async def test_every_key_but_the_epoch_goes_by_itself(store, entry, operator, prefix):
    left = {name: operator.pttl(name) for name in operator.keys(f"{prefix}:*")}
    eternal = [name for name, milliseconds in left.items() if milliseconds < 0]
    assert [name.rpartition(b":")[2] for name in eternal] == [b"epoch"]
    assert max(left.values()) <= 3_600_000
    assert len(left) == 4


async def test_the_server_forgets_an_entry_at_its_end(store, entry, operator, prefix):
    await store.put(a_live_entry(id="short", key="e" * 64, epoch=entry.epoch, expires_at=time.time() + 0.05))
    await asyncio.sleep(0.06)
    assert operator.keys(f"{prefix}:*:x:{'e' * 64}") == []


async def test_the_server_keeps_what_may_be_served_stale_until_that_ends(store, entry, operator, prefix):
    end = time.time() + 60
    await store.put(a_live_entry(id="kept", key="e" * 64, epoch=entry.epoch, expires_at=end, stale_until=end + 600))
    (name,) = operator.keys(f"{prefix}:*:x:{'e' * 64}")
    assert 600_000 < operator.pttl(name) <= 660_000


@pytest.mark.parametrize("place", [{"tenant": "evil"}, {"namespace": "other"}])
async def test_planted_bytes_of_another_place_are_never_served(store, entry, operator, prefix, place):
    name, before = name_of(operator, prefix), rejected("foreign")
    operator.set(name, encode(a_live_entry(epoch=entry.epoch, key=KEY, **place)))
    assert await store.get(HERE, KEY) == (None, entry.epoch)
    assert not operator.exists(name)
    assert rejected("foreign") == before + 1


async def test_corrupt_bytes_are_a_miss_counted_and_removed(store, entry, operator, prefix):
    name, before = name_of(operator, prefix), rejected("corrupt")
    operator.setrange(name, 60, b"\xff\x00\xff")
    assert await store.get(HERE, KEY) == (None, entry.epoch)
    assert not operator.exists(name)
    assert rejected("corrupt") == before + 1
    assert (await store.get(HERE, ALIAS))[0] == entry


async def test_a_value_of_another_type_is_a_miss(store, entry, operator, prefix):
    name = name_of(operator, prefix)
    operator.delete(name)
    operator.lpush(name, "x")
    assert await store.get(HERE, KEY) == (None, entry.epoch)


@pytest.mark.parametrize("damage", ["lost", "nonsense"])
async def test_a_damaged_epoch_never_brings_the_dead_back(store, entry, operator, prefix, damage):
    await store.flush("acme", "default")
    (name,) = operator.keys(f"{prefix}:*:epoch")
    operator.delete(name) if damage == "lost" else operator.set(name, "nonsense")
    dead, epoch = await store.get(HERE, KEY)
    assert dead is None
    assert epoch > entry.epoch
    assert await store.get(HERE, KEY) == (None, epoch)


async def test_two_clients_agree_on_a_first_epoch(store, redis_server, prefix):
    other = RedisExactStore.open(redis_server.url, prefix=prefix)
    places = [Place("acme", f"new-{number}") for number in range(20)]
    for place in places:
        seen = await asyncio.gather(*(each.get(place, KEY) for each in (store, other) * 3))
        assert len({epoch for _, epoch in seen}) == 1
    await other.close()


async def test_one_prefix_never_sees_another(store, entry, redis_server):
    other = RedisExactStore.open(redis_server.url, prefix="other-prefix")
    assert (await other.get(HERE, KEY))[0] is None
    await other.close()


async def test_a_dead_server_is_unavailable_and_comes_back(store, impatient, entry, redis_server):
    redis_server.stop()
    assert await unavailable(impatient.get(HERE, KEY)) < TIMEOUT + SLACK
    assert await unavailable(impatient.put(entry)) < TIMEOUT + SLACK
    redis_server.start()
    await store.put(a_live_entry(key=KEY, epoch=(await store.get(HERE, KEY))[1]))
    assert (await impatient.get(HERE, KEY))[0] is not None


async def test_a_silent_server_is_unavailable_in_time_and_comes_back(impatient, entry, redis_server):
    redis_server.pause()
    calls = [impatient.get(HERE, KEY), impatient.put(entry), impatient.find("acme", entry.id), impatient.ping()]
    calls += [impatient.delete("acme", "x"), impatient.delete_key(HERE, KEY), impatient.flush("acme", "default")]
    waits = await asyncio.gather(*(unavailable(call) for call in calls))
    assert max(waits) < TIMEOUT + SLACK
    redis_server.resume()
    assert (await impatient.get(HERE, KEY))[1] >= entry.epoch


async def test_a_silent_server_on_connecting_is_unavailable_in_time(redis_server, prefix):
    store = RedisExactStore.open(redis_server.url, prefix=prefix, socket_timeout_seconds=TIMEOUT)
    redis_server.pause()
    assert await unavailable(store.ping()) < TIMEOUT + SLACK
    redis_server.resume()
    await store.ping()
    await store.close()


async def test_connections_that_the_server_closed_cost_no_error(store, entry, operator):
    await asyncio.gather(*(store.get(HERE, KEY) for _ in range(4)))
    operator.client_kill_filter(_type="normal", skipme=True)
    assert (await store.get(HERE, KEY))[0] == entry


async def test_a_cancelled_question_never_answers_the_next(store, entry, redis_server):
    other = a_live_entry(id="other", key="e" * 64, epoch=entry.epoch, answer=b"other")
    await store.put(other)
    for _ in range(5):
        redis_server.pause()
        asked = [asyncio.ensure_future(store.get(HERE, KEY)) for _ in range(4)]
        await asyncio.sleep(0.01)
        for task in asked:
            task.cancel()
        redis_server.resume()
        await asyncio.gather(*asked, return_exceptions=True)
        assert (await store.get(HERE, other.key))[0] == other


async def test_connections_are_bounded_and_the_rest_wait_their_turn(store, entry, operator):
    before = operator.info("stats")["total_connections_received"]
    found = await asyncio.gather(*(store.get(HERE, KEY) for _ in range(200)))
    assert all(each == (entry, entry.epoch) for each in found)
    assert operator.info("stats")["total_connections_received"] - before <= 4


async def test_a_full_server_refuses_writes_and_still_serves(store, entry, operator):
    operator.config_set("maxmemory", "1")
    try:
        await unavailable(store.put(a_live_entry(key="e" * 64)))
        assert await store.get(HERE, KEY) == (entry, entry.epoch)
    finally:
        operator.config_set("maxmemory", "0")
    await store.put(entry)


async def test_a_demoted_server_is_unavailable_for_writes(store, entry, operator):
    operator.replicaof("127.0.0.1", "1")
    try:
        await unavailable(store.put(entry))
    finally:
        operator.replicaof("NO", "ONE")
    await store.put(entry)


async def test_a_wrong_password_is_unavailable_and_untold(redis_server, operator, caplog):
    operator.config_set("requirepass", "right")
    try:
        for url in (redis_server.url, redis_server.url.replace("//", "//:s3cret@")):
            store = RedisExactStore.open(url)
            with pytest.raises(StoreUnavailable) as raised:
                await store.ping()
            assert "s3cret" not in str(raised.value) + caplog.text
            await store.close()
        store = RedisExactStore.open(redis_server.url.replace("//", "//:right@"))
        await store.ping()
        await store.close()
    finally:
        operator.config_set("requirepass", "")


@pytest.mark.parametrize("url", ["http://:s3cret@h:1", "redis://:pass/s3cret@h:x", "s3cret", ""])
def test_a_url_that_cannot_be_read_is_refused_untold(url):
    with pytest.raises(ValueError) as raised:
        RedisExactStore.open(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["", "a{b", "a b", "a\n", "x" * 65])
def test_a_prefix_that_would_break_the_keys_is_refused(prefix):
    with pytest.raises(ValueError, match="prefix"):
        RedisExactStore.open("redis://127.0.0.1", prefix=prefix)


async def test_a_closed_store_is_unavailable(store, entry):
    await store.close()
    assert await unavailable(store.get(HERE, KEY)) < SLACK


async def test_a_flush_of_everything_outlives_the_loss_of_its_key(store, entry, operator, prefix):
    epoch = await store.flush("acme", None)
    assert await store.get(HERE, KEY) == (None, epoch)
    (name,) = operator.keys(f"{prefix}:all:*")
    operator.delete(name)
    assert await store.get(HERE, KEY) == (None, epoch)


async def test_a_removal_finds_an_entry_whose_list_of_keys_was_lost(store, entry, operator, prefix):
    operator.delete(*operator.keys(f"{prefix}:id:*"))
    await store.remove("acme", [ref_of(entry)])
    assert (await store.get(HERE, KEY))[0] is None


async def test_a_walk_reads_no_entry_of_another_tenant(store, entry, operator, prefix):
    for number in range(50):
        await store.put(a_live_entry(tenant="other", key=f"{number:064x}", id=f"o{number}", epoch=1))
    before = operator.info("stats")["keyspace_hits"]
    page = await store.select("acme", Conditions(), limit=1000)
    assert [ref.id for ref in page.refs] == [entry.id]
    assert operator.info("stats")["keyspace_hits"] - before == 2
