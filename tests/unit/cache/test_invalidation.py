"""Answers are taken back wherever they lie, and on every replica."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from synapse_cache.adapters.journal_memory import MemoryJournal
from synapse_cache.invalidation.conditions import Conditions, Page
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.invalidation.trail import Phase
from synapse_cache.model import Place, Policy, Status, Tier
from synapse_cache.overlay import RecentWrites
from synapse_cache.ports import StoreUnavailable
from synapse_cache.writer import Writer, WriteRules
from synapse_runtime import errors
from synapse_runtime.background import background
from tests.support.cache_world import CacheWorld, a_request, cache_world
from tests.support.entries import an_entry

FRANCE, REWORDED = "What is the capital of France?", "what is the capital of France"
GEO, FOOD = Policy(tags=("geo",)), Policy(tags=("food",))


async def invalidate(world: CacheWorld, *, tenant: str = "acme", dry_run: bool = False, **wanted: object):
    order = world.invalidation.order(tenant, Conditions(**wanted), actor="key-1", reason="test")  # type: ignore[arg-type]
    return await (world.invalidation.preview if dry_run else world.invalidation.carry_out)(order)


async def filled(world: CacheWorld) -> None:
    """Three answers in every store, of two tags, two models and two namespaces; one of them is exact-only."""
    await world.ask(FRANCE, policy=GEO)
    await world.ask(a_request("My e-mail is jane@example.com, what is it?", model="m2"), policy=GEO)
    await world.ask("How is bread made?", namespace="docs", policy=FOOD)
    await world.settled()


async def kept(world: CacheWorld) -> set[str]:
    """Which of the three are still served."""
    mail, look = a_request("My e-mail is jane@example.com, what is it?", model="m2"), Policy(preview=True)
    found = {
        "france": await world.ask(FRANCE, policy=look),
        "mail": await world.ask(mail, policy=look),
        "bread": await world.ask("How is bread made?", namespace="docs", policy=look),
    }
    return {name for name, served in found.items() if served.outcome.status is Status.HIT}


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({"tag": "geo"}, {"bread"}),
        ({"model": "m2"}, {"france", "bread"}),
        ({"tag": "geo", "model": "m"}, {"mail", "bread"}),
        ({"namespace": "docs", "tag": "food"}, {"france", "mail"}),
        ({"namespace": "docs", "tag": "geo"}, {"france", "mail", "bread"}),
        ({"namespace": "default"}, {"bread"}),
        ({"namespace": "docs"}, {"france", "mail"}),
        ({}, set()),
    ],
)
async def test_what_meets_the_conditions_goes_and_the_rest_stays(wanted: dict[str, str], left: set[str]) -> None:
    async with cache_world() as world:
        await filled(world)
        await invalidate(world, **wanted)
        assert await kept(world) == left


async def test_entries_go_by_age() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        world.clock.advance(100)
        await world.ask("How is bread made?", namespace="docs")
        await world.settled()
        assert (await invalidate(world, created_before=world.clock() - 50)).removed == 1
        assert await kept(world) == {"bread"}


async def test_entries_go_by_likeness_in_every_wording_they_answer() -> None:
    async with cache_world() as world:
        await filled(world)
        like = await world.invalidation.like("the capital of France", min_similarity=0.6)
        assert (await invalidate(world, likeness=like)).removed == 1
        assert await kept(world) == {"mail", "bread"}


async def test_a_key_of_another_wording_leads_to_the_entry() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        assert (await world.ask(REWORDED)).outcome.tier is Tier.L2
        await asyncio.sleep(0.01)  # the alias is written behind the reply
        alias = (await world.ask(REWORDED)).outcome
        assert alias.tier is Tier.L1
        assert (await invalidate(world, key=alias.key, namespace="default")).removed == 1
        assert await kept(world) == set()


async def test_a_dry_run_counts_and_removes_nothing() -> None:
    async with cache_world() as world:
        await filled(world)
        told = await invalidate(world, tag="geo", dry_run=True)
        assert (told.matched, told.removed, len(told.sample), told.notice_id) == (2, 0, 2, "")
        assert (await invalidate(world, dry_run=True)).matched == 3
        assert await kept(world) == {"france", "mail", "bread"}
        assert await world.invalidation.done(None, before="", limit=9) == []


async def test_a_dry_run_shows_twenty_ids_at_most() -> None:
    async with cache_world() as world:
        for number in range(25):
            await world.ask(f"What is {number} and {number}?", policy=GEO)
        told = await invalidate(world, tag="geo", dry_run=True)
        assert (told.matched, len(set(told.sample))) == (25, 20)


async def test_an_entry_in_one_place_only_goes_from_there() -> None:
    async with cache_world() as world:
        await filled(world)
        for number, key in enumerate(("1" * 64, "2" * 64)):
            entry = an_entry(id=f"only{number}", key=key, tags=("lonely",), created_at=world.clock())
            _, epoch = await world.stores.exact.get(Place("acme"), key)
            later = world.clock() + 1000
            entry = replace(entry, epoch=epoch, expires_at=later, semantic_expires_at=later)
            if number:
                await world.stores.exact.put(entry)
            else:
                await world.stores.vectors.insert([(entry, await world.embedder.embed("hello"))])
        assert (await invalidate(world, tag="lonely")).removed == 2
        assert await world.stores.exact.find("acme", "only1") is None
        assert await world.stores.vectors.fetch("acme", "only0") is None


async def test_an_entry_that_only_redis_has_goes_by_likeness() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        (found,) = await world.invalidation._removal.led_to(
            "acme", Conditions(id=(await world.ask(FRANCE)).outcome.entry_id)
        )
        await world.stores.vectors.delete("acme", [found.id])
        world.recent.clear()
        like = await world.invalidation.like("the capital of France", min_similarity=0.6)
        assert (await invalidate(world, likeness=like)).removed == 1
        assert await kept(world) == set()


async def test_an_answer_on_its_way_into_the_stores_is_caught() -> None:
    async with cache_world() as world:
        world.embedder.down = True  # the writer cannot deliver
        stored = (await world.ask(FRANCE, policy=GEO)).outcome.entry_id
        assert await world.journal.pending_count() == 1
        assert (await invalidate(world, tag="geo")).removed == 1
        assert await world.journal.pending_count() == 0
        world.embedder.down = False
        await asyncio.sleep(0.05)
        assert await world.stores.exact.find("acme", stored) is None
        assert await kept(world) == set()


async def test_an_answer_of_before_a_restart_is_not_written_after_its_invalidation() -> None:
    entry = an_entry(tags=("geo",))
    journal, recalls = MemoryJournal(), Recalls()
    await journal.append(entry)
    recalls.add("acme", Conditions(tag="geo").until(entry.created_at + 1))
    async with cache_world() as world:
        rules = WriteRules(world.thresholds)
        recent = RecentWrites(capacity=10, seconds=60)
        writer = Writer(world.stores, journal, recent, rules, recalls=recalls, clock=lambda: entry.created_at + 2)
        await world.stores.exact.put(replace(entry, expires_at=world.clock() + 1000))  # as far as it had got
        async with background(writer=writer.run):
            await writer.drain(seconds=5)
        assert await journal.pending_count() == 0
        assert await world.stores.exact.find("acme", entry.id) is None
        assert await world.stores.vectors.fetch("acme", entry.id) is None


async def test_what_is_stored_after_an_invalidation_is_served() -> None:
    async with cache_world() as world:
        await filled(world)
        for wanted in ({"tag": "geo"}, {"model": "m"}, {"namespace": "default"}, {}):
            world.clock.advance(0.001)
            await invalidate(world, **wanted)
            world.clock.advance(0.001)
            assert (await world.ask(FRANCE, policy=GEO)).outcome.status is Status.MISS
            assert (await world.ask(FRANCE)).outcome.status is Status.HIT
            await world.settled()
            assert (await world.ask(FRANCE)).outcome.status is Status.HIT


async def test_another_tenant_loses_nothing() -> None:
    async with cache_world() as world:
        await filled(world)
        for wanted in ({"tag": "geo"}, {"namespace": "docs"}, {}):
            await invalidate(world, tenant="globex", **wanted)
        assert await kept(world) == {"france", "mail", "bread"}


async def test_everything_of_a_tenant_goes_whatever_its_namespaces() -> None:
    async with cache_world() as world:
        for number in range(20):
            await world.ask(FRANCE, namespace=f"n{number}")
        await world.ask(FRANCE, tenant="globex")
        await world.settled()
        assert (await invalidate(world)).removed == 20
        for number in range(20):
            assert (
                await world.ask(FRANCE, namespace=f"n{number}", policy=Policy(preview=True))
            ).outcome.status is Status.MISS
        assert (await world.ask(FRANCE, tenant="globex")).outcome.status is Status.HIT


@pytest.mark.parametrize("broken", ["exact", "vectors", "trail"])
async def test_an_invalidation_that_was_not_carried_out_does_not_look_done(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object, **_options: object) -> Page:
        raise StoreUnavailable("down")

    async with cache_world() as world:
        await filled(world)
        monkeypatch.setattr("synapse_cache.invalidation.removal._RETRY_SECONDS", 0.001)
        target = {"exact": world.stores.exact, "vectors": world.stores.vectors, "trail": world.invalidation._trail}[
            broken
        ]
        monkeypatch.setattr(target, "append" if broken == "trail" else "select", fail)
        with pytest.raises(errors.Unavailable):
            await invalidate(world, tag="geo")
        assert await world.invalidation.done(None, before="", limit=9) == []


async def test_a_store_that_fails_once_does_not_end_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cache_world() as world:
        await filled(world)
        select, failed = world.stores.exact.select, []

        async def fail_once(*args: object, **options: object) -> Page:
            if not failed:
                failed.append(True)
                raise StoreUnavailable("busy")
            return await select(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(world.stores.exact, "select", fail_once)
        assert (await invalidate(world, tag="geo")).removed == 2


async def test_the_trail_tells_who_what_why_and_how_many() -> None:
    async with cache_world() as world:
        await filled(world)
        await invalidate(world, tag="geo")
        await invalidate(world, namespace="docs")
        flushed, removed = await world.invalidation.done("acme", before="", limit=9)
        assert (removed.order.actor, removed.order.reason, removed.order.conditions.tag) == ("key-1", "test", "geo")
        assert (removed.removed, len(removed.refs), removed.phase) == (2, 2, Phase.DONE)
        assert (flushed.order.conditions.namespace, flushed.removed, flushed.refs) == ("docs", 1, ())
        assert await world.invalidation.done("globex", before="", limit=9) == []


async def test_what_was_begun_goes_on_when_the_caller_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cache_world() as world:
        await filled(world)
        select, may_go_on = world.stores.exact.select, asyncio.Event()

        async def slow(*args: object, **options: object) -> Page:
            await may_go_on.wait()
            return await select(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(world.stores.exact, "select", slow)
        asked = asyncio.create_task(invalidate(world, tag="geo"))
        await asyncio.sleep(0.01)
        asked.cancel()
        assert await kept(world) == {"bread"}
        may_go_on.set()
        await world.invalidation.drain(seconds=5)
        assert [notice.removed for notice in await world.invalidation.done(None, before="", limit=9)] == [2]
