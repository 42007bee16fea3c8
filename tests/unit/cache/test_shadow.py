"""Shadow mode: hits by meaning are decided and recorded, and the backend answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from synapse_cache.lookup import Found
from synapse_cache.model import Answer, Caller, Entry, Hit, NotCached, Outcome, Policy, Question, Status, Tier
from synapse_cache.thresholds.thresholds import Level
from tests.support.cache_world import CacheWorld, a_generation, cache_world

FRANCE = "What is the capital of France?"
REWORDED = "what's the capital of France?"


class Witness:
    """A follower that keeps what it is told."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.answers: list[tuple[Found, Entry | None]] = []

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        self.found.append(found)

    def answered(self, question: Question, found: Found, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        self.answers.append((found, entry))


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def world(witness: Witness) -> AsyncIterator[CacheWorld]:
    """A cache that knows an answer, for a tenant in shadow; the backend says something else by now."""
    async with cache_world(followers=[witness]) as world:
        await world.ask(FRANCE)
        await world.settled()
        await world.thresholds.change("acme", Level(shadow=True))
        witness.found.clear()
        witness.answers.clear()
        world.upstream.generation = a_generation("Lyon.")
        yield world


async def test_a_hit_by_meaning_is_told_and_not_served(world: CacheWorld) -> None:
    served = await world.ask(REWORDED)
    assert b"Lyon." in (served.answer or b"")
    outcome = served.outcome
    assert (outcome.status, outcome.reason, outcome.shadow, outcome.tier) == (Status.MISS, "shadow", True, None)
    assert (outcome.tokens_saved, outcome.age_seconds) == (0, None)
    assert [one.prompt for one in outcome.considered] == [FRANCE]


async def test_the_backends_answer_is_stored_under_its_own_key(world: CacheWorld) -> None:
    fresh = await world.ask(REWORDED)
    again = await world.ask(REWORDED)
    assert fresh.outcome.stored
    assert (again.outcome.status, again.outcome.reason) == (Status.HIT, "exact")
    assert again.outcome.entry_id == fresh.outcome.entry_id


async def test_exact_hits_are_served_as_usual(world: CacheWorld) -> None:
    served = await world.ask(FRANCE)
    assert (served.outcome.status, served.outcome.tier, served.outcome.shadow) == (Status.HIT, Tier.L1, False)


async def test_other_tenants_are_served_as_usual(world: CacheWorld) -> None:
    await world.ask(FRANCE, tenant="globex")
    await world.settled()
    assert (await world.ask(REWORDED, tenant="globex")).outcome.tier is Tier.L2


async def test_an_alias_of_a_decision_before_is_not_served_either(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level())
    assert (await world.ask(REWORDED)).outcome.tier is Tier.L2
    await world.cache._backfill.drain(seconds=5)
    await world.thresholds.change("acme", Level(shadow=True))
    shadowed = await world.ask(REWORDED)
    assert (shadowed.outcome.status, shadowed.outcome.reason) == (Status.MISS, "shadow")
    assert b"Lyon." in (shadowed.answer or b"")


async def test_no_alias_is_written(world: CacheWorld) -> None:
    await world.ask(REWORDED, policy=Policy(no_store=True))
    await world.cache._backfill.drain(seconds=5)
    again = await world.ask(REWORDED, policy=Policy(no_store=True))
    assert again.outcome.considered  # decided by meaning once more


async def test_streams_are_shadowed_too(world: CacheWorld) -> None:
    outcome, _ = await world.ask_streamed(REWORDED)
    assert (outcome.status, outcome.reason, outcome.shadow) == (Status.MISS, "shadow", True)


async def test_a_caller_who_wants_no_backend_gets_nothing(world: CacheWorld) -> None:
    with pytest.raises(NotCached) as missed:
        await world.ask(REWORDED, policy=Policy(only_if_cached=True))
    assert missed.value.outcome.reason == "shadow"


async def test_the_hit_that_would_have_been_is_compared_with_the_answer(world: CacheWorld, witness: Witness) -> None:
    await world.ask(REWORDED)
    (found,), ((departed, entry),) = witness.found, witness.answers
    assert isinstance(found.result, Hit)
    assert departed is found
    assert found.shadow
    assert entry is not None
    assert entry.id != found.result.entry.id


async def test_statistics_count_a_miss(world: CacheWorld) -> None:
    await world.ask(REWORDED)
    tally = world.stats.of("acme")
    assert (tally.hits_semantic, tally.miss_reasons["shadow"]) == (0, 1)


async def test_leaving_shadow_serves_again(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level())
    assert (await world.ask(REWORDED)).outcome.tier is Tier.L2
