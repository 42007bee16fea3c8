"""What every store of trust does: in memory and on three real servers."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import pytest

from synapse_cache.adapters.trust_memory import MemoryTrustStore
from synapse_cache.adapters.trust_redis import RedisTrustStore
from synapse_cache.model import Place
from synapse_cache.trust.evidence import LOWEST_STRICTNESS, STRETCH_AUDITS, Evidence, Record, Source, Stretch, Tally
from synapse_cache.trust.news import NOTHING, News, Parcel, Switch
from tests.support.clock import Clock
from tests.support.redis_servers import BINARIES

HERE = Place("acme", "default")
DAY = 86_400.0
MOST = 1_500


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", *BINARIES])
async def store(request, clock, redis_servers):
    if request.param == "memory":
        yield MemoryTrustStore(most_evidence=MOST, clock=clock)
        return
    url, prefix = redis_servers(request.param).url, f"t-{secrets.token_hex(6)}"
    store = RedisTrustStore.open(url, prefix=prefix, timeout_seconds=5, most_evidence=MOST, clock=clock)
    yield store
    await store.close()


class Replica:
    """One that exchanges with the store and remembers what it heard."""

    def __init__(self, store, name, place=HERE):
        self.store, self.name, self.place = store, name, place
        self.sequence = self.seen = 0
        self.known = Record()
        self.evidence = []

    async def tell(self, **news):
        self.sequence += 1
        return await self.send(News(**news))

    async def send(self, news=NOTHING):
        more = True
        while more:
            parcel = Parcel(self.name, self.sequence, news, self.seen, self.known)
            heard = await self.store.exchange(self.place, parcel)
            self.seen, self.known, more = heard.seen, replace(heard.record, evidence=()), heard.more
            self.evidence += heard.record.evidence
        return self.known


@pytest.fixture
def one(store):
    return Replica(store, "one")


@pytest.fixture
def two(store):
    return Replica(store, "two")


def some(*numbers, **changes):
    pieces = (Evidence(Source.AUDIT, f"e{n}", f"k{n}", same=n % 2 == 0, at=n + 0.25) for n in numbers)
    return tuple(replace(piece, **changes) for piece in pieces)


async def test_nothing_is_known_at_first(store, one):
    assert await one.send() == Record()
    assert await store.places(limit=10) == []


async def test_counts_add_up_over_replicas(one, two):
    await one.tell(tally=Tally(requests=10, hits=2, expected_errors=0.1))
    total = await two.tell(tally=Tally(requests=5, hits=1, expected_errors=0.2, audits=1, shadows=3))
    assert total.tally == Tally(15, 3, pytest.approx(0.3), 1, shadows=3)
    assert (await one.send()).tally == total.tally


async def test_news_sent_twice_count_once(one):
    await one.tell(tally=Tally(requests=10), evidence=some(1), factor=0.5)
    again = await one.send(News(tally=Tally(requests=10), evidence=some(1), factor=0.5))
    assert (again.tally.requests, again.strictness, one.seen) == (10, 0.5, 1)


async def test_evidence_reaches_the_others_whole_and_once(one, two):
    told = some(1, 2, served=True, asked_id="own", traits=(0.5, -1.0)) + some(3, source=Source.MISS)
    await one.tell(evidence=told)
    await two.send()
    await two.send()
    await one.send()
    assert (tuple(two.evidence), one.evidence) == (told, [])


async def test_more_evidence_than_one_exchange_brings_comes_in_its_order(one, two):
    for first in range(0, 1_400, 200):
        await one.tell(evidence=some(*range(first, first + 200)))
    await two.tell(evidence=some(5_000))
    await two.send()
    assert [piece.at for piece in two.evidence] == [n + 0.25 for n in range(1_400)]


async def test_only_the_newest_evidence_is_kept(one, two):
    for first in range(0, 2_000, 500):
        await one.tell(evidence=some(*range(first, first + 500)))
    await two.send()
    assert [piece.at for piece in two.evidence] == [n + 0.25 for n in range(2_000 - MOST, 2_000)]


async def test_one_that_missed_what_was_dropped_goes_on_with_the_rest(one, two):
    await one.tell(evidence=some(0))
    await two.send()
    for first in range(1, 2_001, 500):
        await one.tell(evidence=some(*range(first, first + 500)))
    await two.send()
    assert len(two.evidence) == 1 + MOST
    assert two.evidence[-1].at == 2_000.25


async def test_strictness_multiplies_and_stays_within_its_ends(one, two):
    await one.tell(factor=0.5)
    assert (await two.tell(factor=0.5)).strictness == 0.25
    assert (await two.tell(factor=1e-9)).strictness == LOWEST_STRICTNESS
    assert (await one.tell(factor=1e9)).strictness == 1.0


async def test_a_suspension_holds_from_its_first_moment(one, two):
    await one.tell(switch=Switch(at=100.5))
    assert (await two.tell(switch=Switch(at=200.0))).suspended_at == 100.5


async def test_reuse_begins_again_strict_and_with_a_stretch_of_its_own(one, two):
    await one.tell(switch=Switch(at=100.0), tally=Tally(requests=9, audits=3, audits_wrong=3))
    await two.send()
    resumed = await two.tell(switch=Switch(None, was=100.0))
    assert (resumed.suspended_at, resumed.strictness, resumed.recent) == (None, LOWEST_STRICTNESS, Tally())
    assert await one.send() == resumed


async def test_a_late_resumption_does_not_end_another_suspension(one, two):
    await one.tell(switch=Switch(at=100.0))
    await two.tell(switch=Switch(None, was=100.0))
    await two.tell(switch=Switch(at=300.0))
    assert (await one.tell(switch=Switch(None, was=100.0))).suspended_at == 300.0


async def test_a_stretch_moves_on_by_itself(one):
    half = Tally(requests=10, audits=STRETCH_AUDITS)
    await one.tell(tally=half)
    record = await one.tell(tally=half)
    assert (record.stretch, record.recent.audits) == (Stretch(half, half + half), STRETCH_AUDITS)


async def test_replicas_that_race_lose_nothing(store):
    replicas = [Replica(store, f"r{n}") for n in range(5)]

    async def tell(replica, number):
        for step in range(6):
            await replica.tell(tally=Tally(requests=1), evidence=some(number * 10 + step), factor=0.99)

    await asyncio.gather(*(tell(replica, n) for n, replica in enumerate(replicas)))
    reader = Replica(store, "reader")
    record = await reader.send()
    assert (record.tally.requests, len({piece.at for piece in reader.evidence})) == (30, 30)
    assert record.strictness == pytest.approx(0.99**30)


async def test_a_store_that_lost_its_data_begins_with_what_a_replica_knows(one, clock):
    known = await one.tell(switch=Switch(at=100.0), tally=Tally(requests=50, hits=5))
    clock.advance(31 * DAY)
    if isinstance(one.store, RedisTrustStore):
        await one.store._link.call("FLUSHALL")
    assert await one.send() == known
    again = await one.tell(tally=Tally(requests=1))
    assert (again.tally.requests, again.suspended_at) == (51, 100.0)


async def test_places_are_told_the_latest_first_and_forgotten_after_a_month(store, clock):
    for name in ("a", "b", "c", "a"):
        clock.advance(1)
        await Replica(store, name + str(clock()), Place("acme", name)).tell(tally=Tally(requests=1))
    assert await store.places(limit=2) == [Place("acme", "a"), Place("acme", "c")]
    clock.advance(31 * DAY)
    assert await store.places(limit=10) == []


@pytest.mark.parametrize(("first", "second"), [(("a:b", "c"), ("a", "b:c")), (("a}b", "c"), ("a", "b}c"))])
async def test_no_choice_of_names_makes_two_namespaces_one(store, first, second):
    await Replica(store, "one", Place(*first)).tell(tally=Tally(requests=1))
    assert await Replica(store, "two", Place(*second)).send() == Record()
