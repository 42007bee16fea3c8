"""A request's life: hits, misses, what is stored and what never is, what a dead dependency does."""

from __future__ import annotations

import asyncio

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.model import NotCached, Policy, Status, Tier
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.errors import Unavailable
from tests.support.cache_world import CacheWorld, a_generation, a_request, cache_world

FRANCE = "What is the capital of France?"
REWORDED = "Tell me what the capital of France is"


async def test_the_same_question_is_answered_from_the_cache() -> None:
    async with cache_world() as world:
        first, second = await world.ask(FRANCE), await world.ask(FRANCE)
    assert (first.outcome.status, second.outcome.status) == (Status.MISS, Status.HIT)
    assert first.outcome.stored
    assert second.outcome.entry_id == first.outcome.entry_id
    assert second.answer == first.answer
    assert world.upstream.calls == 1


async def test_a_reworded_question_is_answered_by_meaning_and_then_by_its_own_key() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        by_meaning = await world.ask("what's the capital of France?")
        await asyncio.sleep(0.05)
        again = await world.ask("what's the capital of France?")
    assert (by_meaning.outcome.tier, again.outcome.tier) == (Tier.L2, Tier.L1)
    assert (by_meaning.outcome.reason, again.outcome.reason) == ("semantic", "alias")
    assert world.upstream.calls == 1


async def test_another_tenant_never_hits() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE, tenant="acme")
        other = await world.ask(FRANCE, tenant="globex")
    assert other.outcome.status is Status.MISS


async def test_another_namespace_never_hits() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        other = await world.ask(FRANCE, namespace="drafts")
    assert other.outcome.status is Status.MISS


@pytest.mark.parametrize(
    "finish",
    [
        llm.FINISH_REASON_LENGTH,
        llm.FINISH_REASON_CONTENT_FILTER,
        llm.FINISH_REASON_OTHER,
        llm.FINISH_REASON_UNSPECIFIED,
    ],
)
async def test_an_incomplete_answer_is_never_stored(finish: llm.FinishReason) -> None:
    async with cache_world() as world:
        world.upstream.generation = a_generation("Par", finish=finish)
        first, second = await world.ask(FRANCE), await world.ask(FRANCE)
    assert not first.outcome.stored
    assert second.outcome.status is Status.MISS


async def test_an_empty_answer_is_never_stored() -> None:
    async with cache_world() as world:
        world.upstream.generation = a_generation("")
        assert not (await world.ask(FRANCE)).outcome.stored


async def test_an_error_reaches_the_caller_and_is_not_stored() -> None:
    async with cache_world() as world:
        world.upstream.error = Unavailable("overloaded")
        with pytest.raises(Unavailable, match="overloaded"):
            await world.ask(FRANCE)
        world.upstream.error = None
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_a_stream_that_breaks_is_not_stored() -> None:
    async with cache_world() as world:
        world.upstream.error, world.upstream.error_after = Unavailable("broke"), 2
        with pytest.raises(Unavailable, match="broke"):
            await world.ask_streamed(FRANCE)
        assert await world.journal.pending_count() == 0
        world.upstream.error = None
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_a_streamed_answer_serves_whole_and_streamed_requests() -> None:
    async with cache_world() as world:
        await world.ask_streamed(FRANCE)
        whole = await world.ask(FRANCE)
        outcome, parts = await world.ask_streamed(FRANCE)
    assert whole.outcome.status is outcome.status is Status.HIT
    assert parts == [whole.answer]
    assert llm.Generation.FromString(whole.answer or b"") == a_generation()


@pytest.mark.parametrize("policy", [Policy(no_store=True), Policy(skip=True), Policy(passthrough=True)])
async def test_what_shall_not_be_stored_is_not(policy: Policy) -> None:
    async with cache_world() as world:
        await world.ask(FRANCE, policy=policy)
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_no_cache_asks_again_and_stores_the_new_answer() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        world.upstream.generation = a_generation("Paris, still.")
        fresh = await world.ask(FRANCE, policy=Policy(no_cache=True))
        later = await world.ask(FRANCE)
    assert fresh.outcome.status is Status.MISS
    assert later.answer == fresh.answer


async def test_a_refreshed_answer_serves_other_wordings_too() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        world.clock.advance(1)
        world.upstream.generation = a_generation("Paris, still.")
        fresh = await world.ask(FRANCE, policy=Policy(no_cache=True))
        await world.settled()
        assert (await world.ask(REWORDED)).outcome.entry_id == fresh.outcome.entry_id


async def test_skip_does_not_serve_what_is_stored() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        assert (await world.ask(FRANCE, policy=Policy(skip=True))).outcome.status is Status.BYPASS


async def test_only_if_cached_never_asks_a_backend() -> None:
    async with cache_world() as world:
        with pytest.raises(NotCached):
            await world.ask(FRANCE, policy=Policy(only_if_cached=True))
        assert world.upstream.calls == 0
        await world.ask(FRANCE)
        assert (await world.ask(FRANCE, policy=Policy(only_if_cached=True))).outcome.status is Status.HIT


async def test_a_preview_asks_nobody() -> None:
    async with cache_world() as world:
        served = await world.ask(FRANCE, policy=Policy(preview=True))
    assert (served.outcome.status, served.answer, world.upstream.calls) == (Status.MISS, None, 0)


async def test_max_age_refuses_older_answers() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        world.clock.advance(60)
        assert (await world.ask(FRANCE, policy=Policy(max_age_seconds=61))).outcome.status is Status.HIT
        assert (await world.ask(FRANCE, policy=Policy(max_age_seconds=59))).outcome.status is Status.MISS


async def test_an_answer_ends_with_its_ttl() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE, policy=Policy(ttl_seconds=10))
        await world.settled()
        world.clock.advance(11)
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_a_caller_who_accepts_no_error_gets_exact_matches_only() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.ask(REWORDED)
        await asyncio.sleep(0.05)
        strict = Policy(max_error=0.0)
        assert (await world.ask(REWORDED, policy=strict)).outcome.status is Status.MISS
        assert (await world.ask(FRANCE, policy=strict)).outcome.status is Status.HIT


async def test_high_temperature_and_stateful_requests_bypass() -> None:
    async with cache_world() as world:
        stateful = a_request()
        stateful.extra_json = '{"previous_response_id":"r1"}'
        for request in (a_request(temperature=1.5), stateful):
            assert (await world.ask(request)).outcome.status is Status.BYPASS
            assert (await world.ask(request)).outcome.status is Status.BYPASS
    assert world.upstream.calls == 4


async def test_a_prompt_with_an_address_is_matched_by_its_key_only() -> None:
    async with cache_world() as world:
        await world.ask("Write to ann@example.com")
        await world.settled()
        assert world.embedder.calls == 0
        assert (await world.ask("Write to ann@example.com")).outcome.status is Status.HIT
        assert (await world.ask("write to ann@example.com")).outcome.status is Status.MISS


async def test_concurrent_equal_questions_share_one_call() -> None:
    async with cache_world() as world:
        world.upstream.gate = asyncio.Event()
        tasks = [asyncio.create_task(world.ask(FRANCE)) for _ in range(20)]
        streamed = asyncio.create_task(world.ask_streamed(FRANCE))
        await asyncio.sleep(0.05)
        world.upstream.gate.set()
        served = await asyncio.gather(*tasks)
        outcome, parts = await streamed
    assert world.upstream.calls == 1
    assert sum(not one.outcome.collapsed for one in served) == 1
    assert outcome.collapsed
    assert parts == [served[0].answer]


async def test_a_caller_who_leaves_cancels_the_backend() -> None:
    async with cache_world() as world:
        world.upstream.gate = asyncio.Event()
        task = asyncio.create_task(world.ask(FRANCE))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.01)
        assert world.upstream.cancelled == 1


async def test_a_dead_embedder_makes_misses_and_exact_hits_go_on() -> None:
    async with cache_world() as world:
        world.embedder.down = True
        miss, hit = await world.ask(FRANCE), await world.ask(FRANCE)
    assert (miss.outcome.reason, hit.outcome.status) == ("embed_unavailable", Status.HIT)


class Dead:
    """A store whose every method fails."""

    def __getattr__(self, name: str) -> object:
        async def fail(*_args: object, **_kwargs: object) -> None:
            raise StoreUnavailable("down")

        return fail


def kill(world: CacheWorld, store: str) -> None:
    object.__setattr__(world.stores, store, Dead())


async def test_a_dead_exact_store_fails_no_request_and_recent_answers_are_served() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        kill(world, "exact")
        recent, fresh = await world.ask(FRANCE), await world.ask("Who wrote Hamlet?")
        again = await world.ask("Who wrote Hamlet?")
    assert [one.outcome.status for one in (recent, fresh, again)] == [Status.HIT, Status.MISS, Status.HIT]


async def test_an_answer_accepted_while_a_store_is_dead_arrives_when_it_is_back() -> None:
    async with cache_world() as world:
        await world.ask("Who wrote Hamlet?")
        alive = world.stores.vectors
        kill(world, "vectors")
        await world.ask(FRANCE)
        await asyncio.sleep(0.1)
        assert await world.journal.pending_count() == 1
        object.__setattr__(world.stores, "vectors", alive)
        await world.settled()
        assert await alive.count() == 2


async def test_nothing_is_stored_when_the_epoch_of_the_namespace_is_unknown() -> None:
    async with cache_world() as world:
        kill(world, "exact")
        served = await world.ask(FRANCE)
        assert (served.outcome.reason, served.outcome.stored) == ("redis_unavailable", False)


async def test_a_flushed_namespace_is_empty_at_once() -> None:
    async with cache_world() as world:
        await world.ask(FRANCE)
        await world.settled()
        question_place = (await world.ask(FRANCE)).outcome
        assert question_place.status is Status.HIT
        from synapse_cache.model import Place

        assert await world.invalidation.flush(Place("acme")) == 1
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_a_removed_entry_is_gone_from_every_store() -> None:
    async with cache_world() as world:
        entry_id = (await world.ask(FRANCE)).outcome.entry_id
        await world.settled()
        await world.ask(REWORDED)
        await asyncio.sleep(0.05)
        assert await world.invalidation.by_id("globex", entry_id) == 0
        assert await world.invalidation.by_id("acme", entry_id) == 1
        assert (await world.ask(REWORDED)).outcome.status is Status.MISS
        assert await world.invalidation.by_id("acme", entry_id) == 0


async def test_an_entry_removed_before_it_was_written_stays_removed() -> None:
    async with cache_world() as world:
        entry_id = (await world.ask(FRANCE)).outcome.entry_id
        assert await world.invalidation.by_id("acme", entry_id) == 1
        await world.settled()
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_the_statistics_add_up() -> None:
    async with cache_world() as world:
        for text in (FRANCE, FRANCE, FRANCE, "Who wrote Hamlet?"):
            await world.ask(text)
        tally = world.stats.of("acme")
    assert (tally.hits, tally.misses, tally.stores, tally.hit_rate) == (2, 2, 2, 0.5)
    assert tally.tokens_saved == 24


async def test_a_hedged_question_is_asked_while_the_search_by_meaning_goes_on() -> None:
    async with cache_world(hedge_after_seconds=0.01) as world:
        world.embedder.delay_seconds = 0.2
        task = asyncio.create_task(world.ask(FRANCE))
        await asyncio.sleep(0.1)
        assert world.upstream.calls == 1
        assert task.done(), "what the backend says is not held back for the search"
        assert (await task).outcome.stored


async def test_a_hedged_call_is_left_again_when_the_search_hits() -> None:
    async with cache_world(hedge_after_seconds=0.01) as world:
        await world.ask(FRANCE)
        await world.settled()
        world.upstream.gate, world.embedder.delay_seconds = asyncio.Event(), 0.1
        served = await world.ask(REWORDED)
        await asyncio.sleep(0.01)
    assert served.outcome.tier is Tier.L2
    assert (world.upstream.calls, world.upstream.cancelled) == (2, 1)


async def test_a_hedged_call_that_fails_leaves_the_search_its_chance() -> None:
    async with cache_world(hedge_after_seconds=0.0) as world:
        await world.ask(FRANCE)
        await world.settled()
        world.embedder.delay_seconds, world.upstream.error = 0.05, Unavailable("overloaded")
        assert (await world.ask(REWORDED)).outcome.tier is Tier.L2


async def test_an_exact_hit_is_never_hedged() -> None:
    async with cache_world(hedge_after_seconds=0.0) as world:
        await world.ask(FRANCE)
        await world.ask(FRANCE)
    assert world.upstream.calls == 1


async def test_a_leader_who_leaves_during_a_hedged_search_does_not_harm_a_follower() -> None:
    async with cache_world(hedge_after_seconds=0.0) as world:
        world.embedder.delay_seconds, world.upstream.gate = 0.05, asyncio.Event()
        leader = asyncio.create_task(world.ask(FRANCE))
        await asyncio.sleep(0.02)
        follower = asyncio.create_task(world.ask(FRANCE))
        await asyncio.sleep(0.1)
        leader.cancel()
        world.upstream.gate.set()
        assert (await follower).outcome.stored
    assert world.upstream.calls == 1
