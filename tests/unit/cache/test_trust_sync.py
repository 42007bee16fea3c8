"""Replicas share what they know about errors, whatever happens to the store meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from synapse_cache.adapters.trust_memory import MemoryTrustStore
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Evidence, Source, Tally
from synapse_cache.trust.sync import TrustSync
from synapse_cache.trust.trust import Trust
from synapse_runtime.background import background
from tests.support.clock import Clock

HERE = Place("acme")


class Flaky(MemoryTrustStore):
    """Refuses while `down`; with `swallows`, takes what is sent and loses its reply; calls `meanwhile` on its way."""

    down = swallows = False
    calls = 0
    meanwhile = staticmethod(lambda: None)

    async def exchange(self, place, parcel):
        self.calls += 1
        self.meanwhile()
        if self.down:
            raise StoreUnavailable("down")
        heard = await super().exchange(place, parcel)
        if self.swallows:
            raise StoreUnavailable("the reply was lost")
        return heard

    async def places(self, *, limit):
        if self.down:
            raise StoreUnavailable("down")
        return await super().places(limit=limit)


class Replica:
    def __init__(self, store, **how):
        self.trust = Trust()
        self.sync = TrustSync(self.trust, store, **how)

    def counted(self, **counts):
        self.trust.count(HERE, Tally(**counts))

    @property
    def known(self):
        return self.trust.counts(HERE)


@pytest.fixture
def store():
    return Flaky()


def some(*numbers):
    return [Evidence(Source.AUDIT, f"e{n}", f"k{n}", same=True, at=float(n)) for n in numbers]


async def test_counts_of_all_replicas_add_up(store):
    one, two = Replica(store), Replica(store)
    one.counted(requests=3, hits=1)
    two.counted(requests=4, hits=2)
    for replica in (one, two, one):
        assert await replica.sync.round()
    assert one.known == two.known
    assert one.known.tally == Tally(requests=7, hits=3)


async def test_what_is_counted_during_an_exchange_is_not_lost(store):
    one = Replica(store)
    one.counted(requests=3, hits=1)
    store.meanwhile = lambda: one.counted(requests=5)
    await one.sync.round()
    assert one.known.tally.requests == 8
    store.meanwhile = lambda: None
    await one.sync.round()
    assert one.known.tally.requests == 8


async def test_news_whose_reply_was_lost_count_once(store):
    one, two = Replica(store), Replica(store)
    one.counted(requests=3, hits=1)
    one.trust.learn(HERE, some(1))
    store.swallows = True
    assert not await one.sync.round()
    one.counted(requests=2)
    store.swallows = False
    await one.sync.round()
    await one.sync.round()
    two.counted(requests=1)
    await two.sync.round()
    assert two.known.tally == Tally(requests=6, hits=1)
    assert len(two.trust.record(HERE).evidence) == len(one.trust.record(HERE).evidence) == 1


async def test_evidence_found_in_an_outage_is_kept_up_to_a_limit(store):
    one, two = Replica(store), Replica(store)
    store.down = True
    for first in range(0, 3_000, 500):
        one.trust.learn(HERE, some(*range(first, first + 500)))
        assert not await one.sync.round()
    store.down = False
    one.counted(requests=1, hits=1)
    for _ in range(8):
        await one.sync.round()
    two.counted(requests=1)
    await two.sync.round()
    evidence = two.trust.record(HERE).evidence
    assert 1_024 <= len(evidence) <= 1_024 + 256
    assert evidence[-1].at == 2_999


async def test_a_namespace_with_nothing_at_stake_takes_no_room_in_the_store(store):
    one = Replica(store)
    one.counted(requests=5)
    await one.sync.round()
    assert await store.places(limit=10) == []
    one.counted(requests=100)
    await one.sync.round()
    assert await store.places(limit=10) == [HERE]


async def test_a_namespace_that_rests_is_asked_about_no_more(store):
    clock = Clock()
    one = Replica(store, clock=clock)
    one.counted(requests=1, hits=1)
    await one.sync.round()
    clock.advance(61)
    calls = store.calls
    await one.sync.round()
    assert store.calls == calls


@asynccontextmanager
async def running(replica):
    async with background(trust=replica.sync.run):
        yield replica


async def eventually(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_suspension_is_told_and_heard_without_being_asked_for(store):
    one, two = Replica(store, every_seconds=0.05), Replica(store, every_seconds=0.05)
    async with running(one), running(two):
        two.counted(requests=1)
        one.counted(requests=100, hits=50, audits=5, audits_wrong=5)
        one.trust.suspend(HERE, at=100.0)
        await eventually(lambda: two.known.suspended_at == 100.0)


async def test_a_new_replica_reads_what_is_known_before_anybody_asks(store):
    one, restarted = Replica(store), Replica(store, every_seconds=0.05)
    one.counted(requests=9, hits=3)
    one.trust.suspend(HERE, at=100.0)
    await one.sync.round()
    async with running(restarted):
        await eventually(lambda: restarted.known.suspended_at == 100.0)
    assert restarted.known.tally.requests == 9


async def test_a_store_that_comes_back_is_told_everything(store):
    store.down = True
    one = Replica(store, every_seconds=0.02)
    async with running(one):
        one.counted(requests=9, hits=3)
        await asyncio.sleep(0.1)
        store.down = False
        one.counted(requests=1)
        await eventually(lambda: store.calls and not store.down and one.sync._mails[("acme", "default")].met)
    assert await store.places(limit=10) == [HERE]


async def test_somebody_who_asks_gets_what_this_replica_has_not_met(store):
    one, asked = Replica(store), Replica(store)
    one.counted(requests=9, hits=3)
    await one.sync.round()
    await asked.sync.meet("acme", "")
    await asked.sync.meet("globex", "")
    assert (asked.known.tally.requests, asked.trust.homes()) == (9, [("acme", "default")])
