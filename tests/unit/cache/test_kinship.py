"""Kinship of many namespaces, and of replicas that share a store."""

from __future__ import annotations

import asyncio

import pytest

from synapse_cache.adapters.kinship_memory import MemoryKinshipStore
from synapse_cache.feedback.kinship import Kinship
from synapse_cache.feedback.kinship_sync import KinshipSync
from synapse_cache.feedback.relations import Known, Relations
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Evidence, Source
from synapse_cache.trust.trust import Trust
from synapse_runtime.background import background

HERE, ELSEWHERE, THEIRS = Place("acme"), Place("acme", "drafts"), Place("globex")


def verdict(entry_id: str = "e1", asked: str = "w2", *, same: bool = False, at: float = 1) -> Evidence:
    return Evidence(Source.FEEDBACK, entry_id, asked, same, at, entry_key=f"own-{entry_id}")


class FlakyStore(MemoryKinshipStore):
    """A store that may be down; what it held stays."""

    down = False

    async def add(self, relations: object) -> None:
        self._check()
        await super().add(relations)  # type: ignore[arg-type]  # as given

    async def changes(self, cursor: str, *, limit: int) -> object:  # type: ignore[override]  # as its base
        self._check()
        return await super().changes(cursor, limit=limit)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("down")


async def denied_within(kinship: Kinship, seconds: float) -> bool:
    """Whether a replica hears of the denial in time, asking again and again as lookups do."""
    async with asyncio.timeout(seconds):
        while not kinship.denied(HERE, "w2", "e1"):  # noqa: ASYNC110  # a lookup has no event either
            await asyncio.sleep(0.01)
    return True


def test_what_trust_learns_kinship_knows() -> None:
    trust = Trust()
    trust.learn(HERE, [verdict()])
    assert trust.kinship.denied(HERE, "w2", "e1")
    assert trust.kinship.known(HERE, "e1") == Known(denied=1)


def test_a_verdict_holds_in_its_own_namespace_and_tenant_only() -> None:
    kinship = Kinship()
    kinship.learn(HERE, [verdict()])
    assert not kinship.denied(ELSEWHERE, "w2", "e1")
    assert not kinship.denied(THEIRS, "w2", "e1")
    assert kinship.denied(Place("acme", epoch=7), "w2", "e1")


def test_evidence_of_no_wording_teaches_nothing() -> None:
    kinship = Kinship()
    kinship.learn(HERE, [verdict(asked="")])
    assert not kinship.take_outgoing(limit=10)


def test_namespaces_that_were_not_used_for_longest_are_forgotten_first() -> None:
    kinship = Kinship(most_homes=2)
    kinship.learn(HERE, [verdict()])
    kinship.learn(ELSEWHERE, [verdict()])
    kinship.denied(HERE, "w2", "e1")
    kinship.learn(THEIRS, [verdict()])
    assert [kinship.knows((place.tenant, place.namespace)) for place in (HERE, ELSEWHERE, THEIRS)] == [
        True,
        False,
        True,
    ]


def test_relations_are_bounded_over_all_namespaces() -> None:
    kinship = Kinship(most_relations=5)
    for number in range(10):
        kinship.learn(Place("acme", f"n{number}"), [verdict()])
    assert sum(kinship.knows(("acme", f"n{number}")) for number in range(10)) == 5


async def test_a_replica_hears_what_another_learnt_within_a_second() -> None:
    store, here, there = MemoryKinshipStore(), Kinship(), Kinship()
    async with background(here=KinshipSync(here, store).run, there=KinshipSync(there, store).run):
        assert not there.denied(HERE, "w2", "e1")
        await asyncio.sleep(0.05)
        here.learn(HERE, [verdict()])
        assert await denied_within(there, 1)


async def test_what_was_learnt_survives_a_restart() -> None:
    store, before, after = MemoryKinshipStore(), Kinship(), Kinship()
    before.learn(HERE, [verdict()])
    await KinshipSync(before, store).drain()
    async with background(sync=KinshipSync(after, store).run):
        assert await denied_within(after, 1)


async def test_what_was_learnt_while_the_store_was_down_reaches_it_later() -> None:
    store, here = FlakyStore(), Kinship()
    sync, there = KinshipSync(here, store), Kinship()
    store.down = True
    here.learn(HERE, [verdict()])
    with pytest.raises(StoreUnavailable):
        await sync.exchange()
    store.down = False
    await sync.exchange()
    there.denied(HERE, "w2", "e1")
    await KinshipSync(there, store).exchange()
    assert there.denied(HERE, "w2", "e1")


async def test_what_was_missed_while_the_store_was_down_is_read_again() -> None:
    store, here, there = FlakyStore(), Kinship(), Kinship()
    sync = KinshipSync(there, store)
    there.denied(HERE, "w2", "e1")
    await sync.exchange()
    store.down = True
    with pytest.raises(StoreUnavailable):
        await sync.exchange()
    store.down = False
    here.learn(HERE, [verdict()])
    await KinshipSync(here, store).exchange()
    await sync.exchange()
    assert there.denied(HERE, "w2", "e1")


async def test_what_comes_in_while_a_namespace_is_read_is_kept() -> None:
    kinship = Kinship()
    kinship.denied(HERE, "w2", "e1")
    reading = kinship.begin_reading()
    assert reading is not None
    kinship.learn(HERE, [verdict()])
    kinship.end_reading(reading[0], Relations())
    assert kinship.denied(HERE, "w2", "e1")
