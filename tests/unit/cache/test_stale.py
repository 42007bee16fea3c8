"""Answers past their end: served while a fresh one is fetched, or where the backends fail, and never otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from synapse_cache.model import NotCached, Outcome, Place, Policy, Status
from synapse_cache.thresholds.thresholds import Level
from synapse_runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SynapseError,
    Unavailable,
)
from tests.support.cache_world import CacheWorld, Together, a_generation, cache_world

FRANCE = "What is the capital of France?"
MAIL = "Write to ann@example.com"
"""A question that is matched by its exact key only."""
TTL = 3600.0
UNWELL = [Unavailable("503"), DeadlineExceeded("late"), Internal("500"), ResourceExhausted("429"), TimeoutError()]
THE_CALLERS = [InvalidArgument("400"), FailedPrecondition("401"), NotFound("404")]


@asynccontextmanager
async def world_of(
    *, revalidate: float = 0.0, if_error: float = 0.0, together: Together | None = None
) -> AsyncIterator[CacheWorld]:
    """A cache whose tenant has these stale windows, with an answer to MAIL that has just ended."""
    async with cache_world(together=together) as world:
        level = Level(stale_while_revalidate_seconds=revalidate, stale_if_error_seconds=if_error)
        await world.thresholds.change("acme", level)
        await world.ask(MAIL)
        await world.settled()
        world.clock.advance(TTL)
        yield world


async def refreshed(world: CacheWorld) -> None:
    """Wait until what goes on behind the replies is done."""
    await world.cache.drain(seconds=5)
    await world.settled()


def told(outcome: Outcome) -> tuple[Status, str, bool]:
    return outcome.status, outcome.reason, outcome.stale


async def test_without_a_window_nothing_is_served_past_its_end() -> None:
    async with world_of() as world:
        assert told((await world.ask(MAIL)).outcome) == (Status.MISS, "personal_data", False)
        world.clock.advance(TTL)
        world.upstream.error = Unavailable("down")
        with pytest.raises(Unavailable):
            await world.ask(MAIL)


async def test_a_stale_answer_is_served_at_once_and_refreshed_once_behind() -> None:
    async with world_of(revalidate=60) as world:
        world.clock.advance(12)
        world.upstream.generation, world.upstream.gate = a_generation("Anew."), asyncio.Event()
        stale = [(await world.ask(MAIL)).outcome for _ in range(20)]
        assert {told(one) for one in stale} == {(Status.HIT, "stale_while_revalidate", True)}
        assert stale[0].ttl_seconds == pytest.approx(-12)
        assert stale[0].age_seconds == pytest.approx(TTL + 12)
        world.upstream.gate.set()
        await refreshed(world)
        fresh = (await world.ask(MAIL)).outcome
        assert told(fresh) == (Status.HIT, "exact", False)
        assert fresh.entry_id != stale[0].entry_id
        assert world.upstream.calls == 2


async def test_replicas_refresh_once_together() -> None:
    together = Together()
    async with world_of(revalidate=60, together=together) as here, cache_world(together=together) as there:
        await there.thresholds.change("acme", Level(stale_while_revalidate_seconds=60))
        together.upstream.gate = asyncio.Event()
        served = [(await world.ask(MAIL)).outcome for world in (here, there)]
        await asyncio.sleep(0.05)
        together.upstream.gate.set()
        await asyncio.gather(here.cache.drain(seconds=5), there.cache.drain(seconds=5))
        assert all(one.stale for one in served)
        assert together.upstream.calls == 2
        assert not (await there.ask(MAIL)).outcome.stale


async def test_a_streamed_request_is_served_stale_too() -> None:
    async with world_of(revalidate=60) as world:
        outcome, parts = await world.ask_streamed(MAIL)
        assert told(outcome) == (Status.HIT, "stale_while_revalidate", True)
        assert parts == [a_generation().SerializeToString()]


async def test_a_refresh_that_fails_leaves_the_stale_answer_for_the_window() -> None:
    async with world_of(revalidate=60) as world:
        world.upstream.error = Unavailable("down")
        for _ in range(2):
            assert (await world.ask(MAIL)).outcome.stale
            await refreshed(world)
        assert world.upstream.calls == 3
        world.clock.advance(61)
        with pytest.raises(Unavailable):
            await world.ask(MAIL)


@pytest.mark.parametrize("error", UNWELL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_stale_answer_stands_in_for_a_backend_that_fails(streamed: bool, error: Exception) -> None:  # noqa: FBT001
    async with world_of(if_error=60) as world:
        world.clock.advance(5)
        world.upstream.error = error
        outcome = (await world.ask_streamed(MAIL))[0] if streamed else (await world.ask(MAIL)).outcome
        assert told(outcome) == (Status.HIT, "stale_if_error", True)
        assert outcome.ttl_seconds == pytest.approx(-5)
        assert world.upstream.calls == 2


@pytest.mark.parametrize("error", THE_CALLERS, ids=lambda error: type(error).__name__)
async def test_an_error_of_the_caller_reaches_the_caller(error: SynapseError) -> None:
    async with world_of(if_error=60) as world:
        world.upstream.error = error
        with pytest.raises(type(error)):
            await world.ask(MAIL)


async def test_a_backend_that_answers_is_preferred_to_a_stale_answer() -> None:
    async with world_of(if_error=60) as world:
        assert told((await world.ask(MAIL)).outcome) == (Status.MISS, "personal_data", False)
        assert world.upstream.calls == 2


async def test_a_stream_that_breaks_after_its_first_byte_is_not_replaced() -> None:
    async with world_of(if_error=60) as world:
        world.upstream.error, world.upstream.error_after = Unavailable("broke"), 2
        with pytest.raises(Unavailable, match="broke"):
            await world.ask_streamed(MAIL)


async def test_a_stale_answer_that_stood_in_is_counted_as_the_hit_it_was() -> None:
    async with world_of(if_error=60) as world:
        world.upstream.error = Unavailable("down")
        await world.ask(MAIL)
        tally = world.stats.total()
        assert (tally.hits_exact, tally.misses) == (1, 1)


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (Policy(max_age_seconds=TTL + 6), Status.HIT),
        (Policy(max_age_seconds=TTL + 4), Status.MISS),
        (Policy(no_cache=True), Status.MISS),
        (Policy(skip=True), Status.BYPASS),
    ],
)
async def test_a_caller_gets_nothing_older_than_it_wants_while_it_is_refreshed(policy: Policy, status: Status) -> None:
    async with world_of(revalidate=60) as world:
        world.clock.advance(5)
        assert (await world.ask(MAIL, policy=policy)).outcome.status is status


@pytest.mark.parametrize(
    "policy",
    [
        Policy(max_age_seconds=TTL + 4),
        Policy(no_cache=True),
        Policy(skip=True),
        Policy(stale_if_error_seconds=4),
        Policy(stale_if_error_seconds=0),
    ],
)
async def test_a_caller_may_prefer_the_failure(policy: Policy) -> None:
    async with world_of(if_error=60) as world:
        world.clock.advance(5)
        world.upstream.error = Unavailable("down")
        with pytest.raises(Unavailable):
            await world.ask(MAIL, policy=policy)


async def test_a_caller_cannot_widen_the_operators_window() -> None:
    async with world_of(if_error=60) as world:
        world.clock.advance(61)
        world.upstream.error = Unavailable("down")
        with pytest.raises(Unavailable):
            await world.ask(MAIL, policy=Policy(stale_if_error_seconds=600))


async def test_only_if_cached_gets_a_stale_answer_and_no_backend_is_asked() -> None:
    async with world_of(revalidate=60) as world:
        assert (await world.ask(MAIL, policy=Policy(only_if_cached=True))).outcome.stale
        await refreshed(world)
        assert world.upstream.calls == 1
        world.clock.advance(61)
        with pytest.raises(NotCached):
            await world.ask(MAIL, policy=Policy(only_if_cached=True))


async def test_another_tenants_window_changes_nothing() -> None:
    async with world_of(revalidate=60, if_error=60) as world:
        await world.ask(MAIL, tenant="globex")
        world.clock.advance(TTL)
        assert (await world.ask(MAIL, tenant="globex")).outcome.status is Status.MISS


async def flushed(world: CacheWorld) -> None:
    await world.invalidation.flush(Place("acme"))


async def removed(world: CacheWorld) -> None:
    entry_id = (await world.ask(MAIL, policy=Policy(only_if_cached=True))).outcome.entry_id
    assert await world.invalidation.by_id("acme", entry_id) == 1


@pytest.mark.parametrize("invalidated", [flushed, removed])
async def test_what_was_invalidated_is_never_served_stale(invalidated: Callable[[CacheWorld], object]) -> None:
    async with world_of(revalidate=60, if_error=60) as world:
        await invalidated(world)
        world.upstream.error = Unavailable("down")
        with pytest.raises(Unavailable):
            await world.ask(MAIL)


async def test_what_is_invalidated_while_the_backend_is_asked_does_not_stand_in_for_it() -> None:
    async with world_of(if_error=60) as world:
        world.upstream.error, world.upstream.gate = Unavailable("down"), asyncio.Event()
        asking = asyncio.create_task(world.ask(MAIL))
        await asyncio.sleep(0.05)
        await flushed(world)
        world.upstream.gate.set()
        with pytest.raises(Unavailable):
            await asking


async def test_another_wording_is_never_answered_stale() -> None:
    async with world_of(revalidate=86_400, if_error=86_400) as world:
        await world.ask(FRANCE)
        await world.ask("Can you tell me the capital of France?")
        await asyncio.sleep(0.05)
        world.clock.advance(3 * TTL)
        world.upstream.error = Unavailable("down")
        assert (await world.ask(FRANCE)).outcome.stale
        with pytest.raises(Unavailable):
            await world.ask("Can you tell me the capital of France?")


async def test_a_window_that_was_closed_closes_for_old_answers_too() -> None:
    async with world_of(revalidate=60) as world:
        await world.thresholds.change("acme", Level(stale_while_revalidate_seconds=0))
        assert (await world.ask(MAIL)).outcome.status is Status.MISS


async def test_a_lookup_shows_what_would_be_served_and_refreshes_nothing() -> None:
    async with world_of(revalidate=60) as world:
        preview = await world.ask(MAIL, policy=Policy(preview=True))
        await world.cache.drain(seconds=5)
        assert (preview.outcome.stale, world.upstream.calls) == (True, 1)
