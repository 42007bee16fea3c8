"""Replicas that are asked the same at the same time make one call; whatever happens to it, all get an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.adapters.leases_memory import MemoryLeases
from synapse_cache.flights.leases import Lease
from synapse_cache.flights.sharing import SharingRules
from synapse_cache.model import CallKey, Place, Policy, Status
from synapse_cache.ports import StoreUnavailable
from synapse_cache.read_through import Served
from synapse_runtime.errors import Unavailable
from tests.support.cache_world import RULES, CacheWorld, Together, a_generation, a_request, cache_world, question_of

FRANCE = "What is the capital of France?"
BRIEF = SharingRules(wait_seconds=0.3, stream_wait_seconds=0.1, lease_seconds=0.3)


@asynccontextmanager
async def replicas(together: Together, count: int = 2) -> AsyncIterator[list[CacheWorld]]:
    """Replicas of one cache; their backend answers when its gate opens."""
    together.upstream.gate = asyncio.Event()
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(cache_world(together=together)) for _ in range(count)]


async def asked_after(world: CacheWorld, calls: int) -> asyncio.Task[Served]:
    """Somebody who asks once `calls` calls have reached the backend."""
    async with asyncio.timeout(5):
        while world.upstream.calls < calls:  # noqa: ASYNC110  # the double has no event
            await asyncio.sleep(0.01)
    task = asyncio.create_task(world.ask(FRANCE))
    await asyncio.sleep(0.03)
    return task


def opened(together: Together) -> None:
    assert together.upstream.gate is not None
    together.upstream.gate.set()


async def test_many_who_ask_on_several_replicas_share_one_call() -> None:
    together = Together()
    async with replicas(together, 3) as worlds:
        asking = [asyncio.create_task(world.ask(FRANCE)) for world in worlds for _ in range(20)]
        await asyncio.sleep(0.1)
        opened(together)
        served = await asyncio.gather(*asking)
    assert together.upstream.calls == 1
    assert sum(not one.outcome.collapsed for one in served) == 1
    assert len({one.answer for one in served}) == len({one.outcome.entry_id for one in served}) == 1


async def test_a_follower_tells_that_another_call_answered_it() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        following = await asked_after(there, 1)
        opened(together)
        first, second = await leading, await following
        assert (first.outcome.collapsed, second.outcome.collapsed) == (False, True)
        assert (second.outcome.status, second.outcome.entry_id) == (Status.MISS, first.outcome.entry_id)
        counts = there.cache.calls.counts.total()
        assert (counts.started, counts.joined_elsewhere, counts.replaced) == (0, 1, 0)
        assert counts.longest_wait_seconds > 0


async def test_a_streamed_request_gets_the_answer_of_another_replica_whole() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        following = asyncio.create_task(there.ask_streamed(FRANCE))
        await asyncio.sleep(0.03)
        opened(together)
        outcome, parts = await following
        assert (outcome.collapsed, parts) == (True, [(await leading).answer])
    assert together.upstream.calls == 1


async def test_other_questions_tenants_and_credentials_make_calls_of_their_own() -> None:
    together = Together()
    own_key = a_request(FRANCE)
    own_key.caller.provider_key = "sk-mine"
    async with replicas(together) as (here, there):
        asking = [asyncio.create_task(here.ask(FRANCE)), asyncio.create_task(there.ask("Who wrote Hamlet?"))]
        asking += [asyncio.create_task(there.ask(FRANCE, tenant="globex")), asyncio.create_task(there.ask(own_key))]
        await asyncio.sleep(0.05)
        opened(together)
        assert not any(one.outcome.collapsed for one in await asyncio.gather(*asking))
    assert together.upstream.calls == 4


async def test_a_leader_that_leaves_is_replaced_at_once_by_exactly_one() -> None:
    together = Together()
    async with replicas(together, 4) as (here, *others):
        leading = await asked_after(here, 0)
        following = [await asked_after(other, 1) for other in others]
        leading.cancel()
        await asyncio.sleep(0.1)
        opened(together)
        served = await asyncio.gather(*following)
    assert together.upstream.calls == 2
    assert sum(not one.outcome.collapsed for one in served) == 1


class Forgetful(MemoryLeases):
    """Leases of a replica that dies without a word: it neither renews nor releases."""

    dead = ""

    async def renew(self, held: dict[CallKey, str], *, seconds: float) -> None:
        await super().renew({call: token for call, token in held.items() if token != self.dead}, seconds=seconds)

    async def release(self, call: CallKey, token: str, *, unshared: bool = False) -> None:
        if token != self.dead:
            await super().release(call, token, unshared=unshared)


async def test_a_leader_that_dies_is_replaced_by_exactly_one() -> None:
    leases = Forgetful()
    together = Together(leases=leases, rules=SharingRules(wait_seconds=5, lease_seconds=0.3))
    async with replicas(together, 4) as (here, *others):
        leading = await asked_after(here, 0)
        (leases.dead,) = (held.token for held in leases._held.values())
        following = [await asked_after(other, 1) for other in others]
        leading.cancel()
        await asyncio.sleep(0.6)
        assert together.upstream.calls == 2
        opened(together)
        served = await asyncio.gather(*following)
        assert sum(world.cache.calls.counts.total().replaced for world in others) == 1
    assert together.upstream.calls == 2
    assert sum(not one.outcome.collapsed for one in served) == 1


async def test_a_long_call_keeps_its_lease() -> None:
    together = Together(rules=SharingRules(wait_seconds=5, lease_seconds=0.15))
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        following = await asked_after(there, 1)
        await asyncio.sleep(0.5)
        assert together.upstream.calls == 1
        opened(together)
        await asyncio.gather(leading, following)
    assert together.upstream.calls == 1


async def test_an_answer_that_may_not_be_stored_frees_those_who_wait_at_once() -> None:
    together = Together()
    together.upstream.generation = a_generation("Par", finish=llm.FINISH_REASON_LENGTH)
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        following = await asked_after(there, 1)
        opened(together)
        freed = time.monotonic()
        served = await asyncio.gather(leading, following)
        assert time.monotonic() - freed < 1
    assert [one.outcome.collapsed for one in served] == [False, False]
    assert together.upstream.calls == 2


async def test_an_error_of_the_leader_is_not_the_followers() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        together.upstream.error = Unavailable("overloaded")
        leading = await asked_after(here, 0)
        following = await asked_after(there, 1)
        opened(together)
        with pytest.raises(Unavailable):
            await leading
        together.upstream.error = None
        assert (await following).outcome.stored


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_slow_leader_is_waited_for_only_so_long(streamed: bool) -> None:  # noqa: FBT001
    together = Together(rules=BRIEF)
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        started = time.monotonic()
        following = asyncio.create_task(there.ask_streamed(FRANCE) if streamed else there.ask(FRANCE))
        await asked_after(there, 2)
        patience = BRIEF.stream_wait_seconds if streamed else BRIEF.wait_seconds
        assert patience <= time.monotonic() - started < patience + 0.2
        opened(together)
        await asyncio.gather(leading, following)
    assert together.upstream.calls == 2


async def test_a_follower_keeps_its_own_deadline_and_harms_nobody() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await there.ask(FRANCE)
        opened(together)
        assert (await leading).outcome.stored
    assert (together.upstream.calls, together.upstream.cancelled) == (1, 0)


async def test_who_wants_a_fresh_answer_does_not_get_the_stored_one() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        opened(together)
        old = await here.ask(FRANCE)
        await here.settled()
        together.upstream.gate = asyncio.Event()
        fresh = [asyncio.create_task(world.ask(FRANCE, policy=Policy(no_cache=True))) for world in (here, there)]
        await asyncio.sleep(0.1)
        opened(together)
        served = await asyncio.gather(*fresh)
    assert together.upstream.calls == 2
    assert len({one.outcome.entry_id for one in served} | {old.outcome.entry_id}) == 2


async def test_a_stuck_writer_does_not_keep_followers_from_the_answer() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        here.embedder.down = True  # so the vector store takes nothing, and the writer pauses longer and longer
        opened(together)
        await here.ask("Who wrote Hamlet?")
        await asyncio.sleep(0.7)
        together.upstream.gate = asyncio.Event()
        leading = await asked_after(here, 1)
        following = await asked_after(there, 2)
        opened(together)
        started = time.monotonic()
        first, second = await asyncio.gather(leading, following)
        assert time.monotonic() - started < 0.4
    assert second.outcome.entry_id == first.outcome.entry_id
    assert together.upstream.calls == 2


class Dead(MemoryLeases):
    """Leases nobody can reach."""

    async def acquire(self, call: CallKey, token: str, *, seconds: float) -> Lease:
        raise StoreUnavailable("down")

    release = renew = acquire  # type: ignore[assignment]


async def test_without_leases_everybody_asks_by_himself() -> None:
    together = Together(leases=Dead())
    async with replicas(together) as (here, there):
        opened(together)
        served = await asyncio.gather(here.ask(FRANCE), there.ask(FRANCE))
    assert [one.outcome.collapsed for one in served] == [False, False]


async def test_a_replica_that_is_alone_takes_no_lease() -> None:
    together = Together(leases=Dead(alone=True))
    async with replicas(together, 1) as (here,):
        opened(together)
        assert (await here.ask(FRANCE)).outcome.stored
        assert here.stores.exact_guard.state == "ok"


async def test_a_flush_lets_nobody_join_and_frees_those_who_wait_elsewhere() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        following = await asked_after(there, 1)
        assert here.cache.calls.under_way("acme") == (1, 1)
        assert here.cache.calls.flush("globex") == 0
        assert here.cache.calls.flush("acme") == 1
        late = await asked_after(here, 2)
        opened(together)
        served = await asyncio.gather(leading, following, late)
    assert together.upstream.calls == 3
    assert [one.outcome.collapsed for one in served] == [False, False, False]


async def test_the_key_of_a_call_is_that_of_the_question() -> None:
    together = Together()
    async with replicas(together) as (here, there):
        leading = await asked_after(here, 0)
        question = question_of(a_request(FRANCE), RULES)
        _, epoch = await there.stores.exact.get(Place("acme"), question.key)
        call = CallKey(Place("acme", epoch=epoch), question.key, question.credential)
        assert await together.leases.acquire(call, "other", seconds=1) is Lease.TAKEN
        opened(together)
        await leading
