"""Thresholds as requests meet them: bars, lifetimes that were shortened, and exact only."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from synapse_cache.model import Policy, Status, Tier
from synapse_cache.thresholds.thresholds import Level
from tests.support.cache_world import CacheWorld, cache_world

FRANCE = "What is the capital of France?"
REWORDED = "what's the capital of France?"


@pytest.fixture
async def world() -> AsyncIterator[CacheWorld]:
    """A cache that stored an answer 100 seconds ago, when lifetimes were an hour and two."""
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        world.clock.advance(100)
        yield world


@pytest.mark.parametrize("level", [Level(hit_similarity=1), Level(max_error=0)])
async def test_exact_only_serves_exact_only(world: CacheWorld, level: Level) -> None:
    await world.thresholds.change("acme", level)
    assert (await world.ask(REWORDED)).outcome.reason == "exact_only"
    assert (await world.ask(FRANCE)).outcome.tier is Tier.L1


async def test_a_bar_above_the_similarity_is_a_miss(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(hit_similarity=0.999))
    missed = (await world.ask(REWORDED)).outcome
    assert (missed.status, missed.reason) == (Status.MISS, "below_floor")


async def test_a_shortened_lifetime_ends_older_entries_by_key_and_not_by_meaning(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(ttl_seconds=60))
    by_key = await world.ask(FRANCE, policy=Policy(no_store=True))
    assert (by_key.outcome.tier, by_key.outcome.similarity) == (Tier.L2, pytest.approx(1))
    assert (await world.ask(REWORDED, policy=Policy(no_store=True))).outcome.tier is Tier.L2


async def test_a_shortened_lifetime_ends_older_entries_by_meaning_and_not_by_key(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(semantic_ttl_seconds=60))
    assert (await world.ask(REWORDED, policy=Policy(no_store=True))).outcome.status is Status.MISS
    assert (await world.ask(FRANCE)).outcome.tier is Tier.L1


async def test_the_time_left_is_told_by_the_shorter_lifetime(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(ttl_seconds=130))
    assert (await world.ask(FRANCE)).outcome.ttl_seconds == pytest.approx(30)


async def test_lifetimes_of_another_tenant_do_not_matter(world: CacheWorld) -> None:
    await world.thresholds.change("globex", Level(ttl_seconds=60, semantic_ttl_seconds=60))
    assert (await world.ask(FRANCE)).outcome.tier is Tier.L1


async def test_a_callers_lifetime_is_bounded_by_the_tenants(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(ttl_seconds=60))
    await world.ask("Who wrote Faust?", policy=Policy(ttl_seconds=9_999))
    assert (await world.ask("Who wrote Faust?")).outcome.ttl_seconds == pytest.approx(60)
