"""What every trail of invalidations does: in memory and on three real servers."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time

import numpy as np
import pytest

from synapse_cache.adapters.trail_memory import MemoryTrail
from synapse_cache.adapters.trail_redis import RedisTrail
from synapse_cache.invalidation.conditions import Conditions, Likeness, Ref
from synapse_cache.invalidation.trail import Notice, Order, Phase
from synapse_cache.model import Embedding
from synapse_cache.ports import StoreUnavailable
from tests.support.redis_servers import BINARIES

CAPACITY = 10
NASTY = "' \" \\ \0 \n Ελληνικά 🎉 {}"


@pytest.fixture(params=["memory", *BINARIES])
async def trail(request, redis_servers):
    if request.param == "memory":
        yield MemoryTrail(capacity=CAPACITY)
        return
    url = redis_servers(request.param).url
    trail = RedisTrail.open(url, prefix=f"t-{secrets.token_hex(6)}", capacity=CAPACITY, timeout_seconds=5)
    yield trail
    await trail.close()


def a_notice(uid="u1", phase=Phase.DONE, *, tenant="acme", **wanted):
    return Notice(phase, Order(uid, 1_795_000_000.5, tenant, "key-1", Conditions(**wanted), "why"), "replica-1")


def uids(notices):
    return [notice.order.uid for notice in notices]


async def test_an_empty_trail_tells_nothing(trail):
    told = await trail.read("", wait_seconds=0)
    assert (told.notices, told.last, told.gap) == ((), "", False)
    assert (await trail.since(0)).last == ""
    assert await trail.done(None, before="", limit=5) == []


async def test_a_notice_comes_back_whole(trail):
    wanted = {"id": "i", "key": "k", "namespace": NASTY, "tag": NASTY, "model": "m", "created_before": 1.25}
    notice = dataclasses.replace(
        a_notice(**wanted), epoch=1_795_000_000_000_001, removed=-1, refs=(Ref("i", "k", NASTY, 7),)
    )
    notice_id = await trail.append(notice)
    (heard,) = (await trail.read("", wait_seconds=0)).notices
    assert heard == dataclasses.replace(notice, id=notice_id)


async def test_a_vector_travels_with_the_order(trail):
    alike = Likeness(NASTY, Embedding(np.array([0.25, -1.5], np.float32), "space"), 0.75)
    for phase in (Phase.ORDERED, Phase.DONE):
        await trail.append(a_notice(phase=phase, likeness=alike))
    ordered, done = (notice.order.conditions.likeness for notice in (await trail.read("", wait_seconds=0)).notices)
    assert ordered == done == alike
    assert ordered.embedding.vector.tolist() == [0.25, -1.5]


async def test_ids_grow_and_lead_on(trail):
    ids = [await trail.append(a_notice(f"u{number}")) for number in range(5)]
    told = await trail.read(ids[1], wait_seconds=0)
    assert uids(told.notices) == ["u2", "u3", "u4"]
    assert [notice.id for notice in told.notices] == ids[2:]
    assert told.last == ids[-1]
    again = await trail.read(told.last, wait_seconds=0)
    assert (again.notices, again.last, again.gap) == ((), told.last, False)


async def test_a_reader_hears_at_once(trail):
    first = await trail.append(a_notice("first"))
    reading = asyncio.create_task(trail.read(first, wait_seconds=1))
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await trail.append(a_notice("second"))
    assert uids((await reading).notices) == ["second"]
    assert time.monotonic() - started < 0.5


async def test_a_reader_of_an_empty_trail_hears_the_first(trail):
    reading = asyncio.create_task(trail.read("", wait_seconds=1))
    await asyncio.sleep(0.05)
    await trail.append(a_notice("first"))
    assert uids((await reading).notices) == ["first"]


async def test_a_reader_waits_no_longer_than_it_wants(trail):
    started = time.monotonic()
    assert (await trail.read("", wait_seconds=0.1)).notices == ()
    assert 0.05 < time.monotonic() - started < 0.8


async def test_what_was_lost_meanwhile_is_a_gap_and_the_next_is_none(trail):
    first = await trail.append(a_notice("first"))
    for number in range(300):  # Redis trims a hundred at a time
        last = await trail.append(a_notice(f"u{number}"))
    told = await trail.read(first, wait_seconds=0)
    assert (told.gap, told.notices, told.last) == (True, (), last)
    assert not (await trail.read(last, wait_seconds=0)).gap


async def test_the_trail_is_bounded(trail):
    for number in range(300):
        await trail.append(a_notice(f"u{number}"))
    kept = uids((await trail.since(0)).notices)
    assert CAPACITY <= len(kept) < 200
    assert kept[-1] == "u299"


async def test_what_came_since_a_moment_is_told(trail):
    for number in range(4):
        await trail.append(a_notice(f"u{number}"))
    last = await trail.append(a_notice("last"))
    assert uids((await trail.since(time.time() - 60)).notices) == ["u0", "u1", "u2", "u3", "last"]
    assert await trail.since(time.time() + 60) == dataclasses.replace(await trail.since(0), notices=(), last=last)


async def test_the_audit_shows_what_was_done_newest_first(trail):
    for number in range(3):
        await trail.append(a_notice(f"u{number}", Phase.ORDERED))
        await trail.append(a_notice(f"u{number}", Phase.LASTING))
        await trail.append(a_notice(f"u{number}"))
    assert uids(await trail.done(None, before="", limit=5)) == ["u2", "u1", "u0"]


async def test_the_audit_comes_in_pages(trail):
    for number in range(5):
        await trail.append(a_notice(f"u{number}"))
    first = await trail.done(None, before="", limit=2)
    second = await trail.done(None, before=first[-1].id, limit=2)
    third = await trail.done(None, before=second[-1].id, limit=2)
    assert [uids(page) for page in (first, second, third)] == [["u4", "u3"], ["u2", "u1"], ["u0"]]


async def test_the_audit_of_a_tenant_shows_nobody_elses(trail):
    for tenant in ("acme", "globex", "acme"):
        await trail.append(a_notice(tenant, tenant=tenant))
    assert uids(await trail.done("acme", before="", limit=9)) == ["acme", "acme"]
    assert len(await trail.done(None, before="", limit=9)) == 3


async def test_a_dead_server_is_unavailable_and_a_restart_without_its_data_a_gap(redis_server):
    trail = RedisTrail.open(redis_server.url, prefix=f"t-{secrets.token_hex(6)}", timeout_seconds=1.2)
    last = await trail.append(a_notice())
    redis_server.stop()
    for call in (trail.append(a_notice()), trail.read("", wait_seconds=0), trail.since(0)):
        with pytest.raises(StoreUnavailable):
            await call
    redis_server.start()
    assert (await trail.read(last, wait_seconds=0)).gap
    await trail.close()


async def test_a_row_that_is_no_notice_is_left_out(redis_server):
    prefix = f"t-{secrets.token_hex(6)}"
    trail = RedisTrail.open(redis_server.url, prefix=prefix, timeout_seconds=5)
    await trail.append(a_notice("first"))
    await trail._link.call("XADD", f"{prefix}:invalidations", "*", "notice", "{}")
    last = await trail.append(a_notice("last"))
    told = await trail.read("", wait_seconds=0)
    assert (uids(told.notices), told.last) == (["first", "last"], last)
    await trail.close()
