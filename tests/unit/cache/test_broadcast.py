"""What one replica takes back, the others let go of; and nothing near is served that may be wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from synapse_cache.adapters.trail_memory import MemoryTrail
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.invalidation.conditions import Conditions
from synapse_cache.invalidation.trail import Phase
from synapse_cache.model import Policy, Status, Tier
from synapse_cache.ports import StoreUnavailable
from tests.support.cache_world import CacheWorld, Together, cache_world

FRANCE, REWORDED = "What is the capital of France?", "what is the capital of France"
GEO = Policy(tags=("geo",))


async def invalidate(world: CacheWorld, *, tenant: str = "acme", **wanted: object) -> None:
    order = world.invalidation.order(tenant, Conditions(**wanted), actor="key-1")  # type: ignore[arg-type]
    await world.invalidation.carry_out(order)


async def soon(check: Callable[[], Awaitable[bool]], *, seconds: float = 1.0) -> None:
    """Wait until `check` holds; within a second unless told otherwise."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it took too long"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def two_replicas(
    *, shared: bool = False, near_entries: int = 100
) -> AsyncIterator[tuple[CacheWorld, CacheWorld]]:
    """Two replicas on one exact store and one trail; each with a vector store of its own unless `shared`."""
    together = Together()
    if shared:
        together.vectors = MemoryVectorStore()
        together.vectors.shared = True
    async with (
        cache_world(together=together, near_entries=near_entries) as one,
        cache_world(together=together, near_entries=near_entries) as other,
    ):
        yield one, other


async def is_gone(world: CacheWorld, text: str = FRANCE) -> bool:
    return (await world.ask(text, policy=Policy(preview=True))).outcome.status is Status.MISS


async def test_a_hot_entry_is_served_from_near_and_says_so() -> None:
    async with cache_world(near_entries=10) as world:
        await world.ask(FRANCE)
        tiers = [(await world.ask(FRANCE)).outcome.tier for _ in range(3)]
        assert tiers == [Tier.L1, Tier.L0, Tier.L0]
        world.clock.advance(5)
        assert (await world.ask(FRANCE)).outcome.tier is Tier.L1


async def test_a_near_entry_obeys_what_the_caller_wants() -> None:
    async with cache_world(near_entries=10) as world:
        await world.ask(FRANCE)
        await world.ask(FRANCE)
        world.clock.advance(2)
        assert (await world.ask(FRANCE, policy=Policy(max_age_seconds=1, preview=True))).outcome.status is Status.MISS
        assert (await world.ask(FRANCE, policy=Policy(no_cache=True))).outcome.status is Status.MISS
        fresh = (await world.ask(FRANCE)).outcome
        assert fresh.age_seconds == 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"tag": "geo"},
        {"model": "m"},
        {"namespace": "default"},
        {},
        {"created_before": 1e11},
        {"tag": "geo", "model": "m"},
    ],
)
@pytest.mark.parametrize("shared", [True, False])
async def test_what_one_replica_takes_back_no_other_serves(wanted: dict[str, object], *, shared: bool) -> None:
    async with two_replicas(shared=shared) as (one, other):
        for _ in range(3):
            await other.ask(FRANCE, policy=GEO)
        assert (await other.ask(FRANCE)).outcome.tier is Tier.L0
        await other.settled()
        await invalidate(one, **wanted)
        await soon(lambda: is_gone(other))
        await soon(lambda: is_gone(other, REWORDED))
        assert await is_gone(one)


@pytest.mark.parametrize("shared", [True, False])
async def test_likeness_reaches_other_replicas(*, shared: bool) -> None:
    async with two_replicas(shared=shared) as (one, other):
        for _ in range(3):
            await other.ask(FRANCE)
        await other.settled()
        like = await one.invalidation.like("the capital of France", min_similarity=0.6)
        await invalidate(one, likeness=like)
        await soon(lambda: is_gone(other))
        await soon(lambda: is_gone(other, REWORDED))


async def test_an_answer_that_waits_on_another_replica_is_never_written() -> None:
    async with two_replicas() as (one, other):
        other.embedder.down = True
        stored = (await other.ask(FRANCE, policy=GEO)).outcome.entry_id
        await invalidate(one, tag="geo")

        async def settled() -> bool:
            return await other.journal.pending_count() == 0

        await soon(settled)
        other.embedder.down = False
        await asyncio.sleep(0.05)
        assert await one.stores.exact.find("acme", stored) is None
        assert await is_gone(other)


async def test_an_alias_on_another_replica_goes_with_its_entry() -> None:
    async with two_replicas(shared=True) as (one, other):
        await other.ask(FRANCE)
        await other.settled()
        for _ in range(3):
            alias = (await other.ask(REWORDED)).outcome
            await asyncio.sleep(0.01)  # the alias is written behind the reply
        assert alias.tier is Tier.L0
        await invalidate(one, key=alias.key, namespace="default")
        await soon(lambda: is_gone(other, REWORDED))
        await soon(lambda: is_gone(other))


async def test_nothing_near_is_served_while_invalidations_cannot_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async with two_replicas() as (_, other):
        for _ in range(3):
            await other.ask(FRANCE)
        assert (await other.ask(FRANCE)).outcome.tier is Tier.L0

        async def fail(*_args: object, **_options: object) -> None:
            raise StoreUnavailable("down")

        monkeypatch.setattr(MemoryTrail, "read", fail)

        async def asks_redis() -> bool:
            return (await other.ask(FRANCE)).outcome.tier is Tier.L1

        await soon(asks_redis, seconds=3)
        monkeypatch.undo()

        async def near_again() -> bool:
            return (await other.ask(FRANCE)).outcome.tier is Tier.L0

        await soon(near_again, seconds=3)


async def test_missed_invalidations_let_everything_near_go() -> None:
    together = Together()
    together.trail = MemoryTrail(capacity=3, clock=together.clock)
    async with cache_world(together=together, near_entries=10) as world:
        for _ in range(3):
            await world.ask(FRANCE, policy=GEO)
        await invalidate(world, tag="none")

        async def heard() -> bool:
            return world.broadcast._last != ""

        await soon(heard, seconds=3)
        for _ in range(9):  # faster than anybody can read
            await together.trail.append((await together.trail.since(0)).notices[-1])

        async def asks_redis() -> bool:
            return (await world.ask(FRANCE)).outcome.tier is not Tier.L0

        await soon(asks_redis, seconds=3)


async def test_a_replica_that_starts_hears_what_was_taken_back_before() -> None:
    together = Together()
    together.vectors = MemoryVectorStore()
    together.vectors.shared = True
    async with cache_world(together=together) as one:
        await one.ask(FRANCE, policy=GEO)
        await one.settled()
        entry = await one.invalidation.get("acme", (await one.ask(FRANCE)).outcome.entry_id)
        assert entry is not None
        one.clock.advance(1)
        await invalidate(one, tag="geo")
        async with cache_world(together=together) as late:
            await together.vectors.insert([(entry, (await one.embedder.embed(FRANCE)).vector)])  # as Milvus shows it
            assert await is_gone(late)
            assert await is_gone(late, REWORDED)


async def test_watchers_hear_of_their_tenants_invalidations() -> None:
    async with two_replicas() as (one, other):
        watching = other.broadcast.watch("acme", after="")
        first = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0.01)
        await one.ask(FRANCE, policy=GEO)
        await invalidate(one, tenant="globex", namespace="default")
        await invalidate(one, tag="nothing-has-it")
        await invalidate(one, tag="geo")
        notice = await asyncio.wait_for(first, 2)
        assert notice is not None
        assert (notice.order.conditions.tag, len(notice.refs)) == ("geo", 1)
        await invalidate(one, namespace="docs")
        flush = await asyncio.wait_for(anext(watching), 2)
        assert flush is not None
        assert (flush.order.conditions.namespace, flush.refs) == ("docs", ())
        again = other.broadcast.watch(None, after=notice.id)
        assert await asyncio.wait_for(anext(again), 2) == flush
        await watching.aclose()
        await again.aclose()


async def test_a_long_walk_is_told_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_cache.invalidation.removal._LASTING_SECONDS", 0.0)
    async with cache_world() as world:
        await world.ask(FRANCE, policy=GEO)
        await invalidate(world, tag="geo")
        told = (await world.invalidation._trail.since(0)).notices
        assert [notice.phase for notice in told] == [Phase.ORDERED, Phase.LASTING, Phase.DONE]
        assert told[1].removed == -1
