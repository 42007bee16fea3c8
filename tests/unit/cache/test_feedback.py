"""Feedback through the whole cache: what goes, what stays, what is learnt, and how much one caller may do."""

from __future__ import annotations

import pytest

from synapse_cache.feedback.feedback import Done, Effect, Rating, Said
from synapse_cache.model import Place, Status, Tier
from synapse_cache.trust.evidence import Source
from synapse_runtime.errors import InvalidArgument, NotFound, ResourceExhausted
from tests.support.cache_world import CacheWorld, a_caller, a_generation, cache_world

FRANCE = "What is the capital of France?"
REWORDED = "what's the capital of France?"
THIRD = "Tell me what the capital of France is"
HERE = Place("acme")


async def asked(world: CacheWorld, prompt: str, request_id: str) -> str:
    """The id of the entry that answers `prompt`, once everything is written."""
    outcome = (await world.ask(prompt, request_id=request_id)).outcome
    await world.settled()
    return outcome.entry_id


async def reworded(world: CacheWorld) -> str:
    """The id of an entry that has answered REWORDED in the request "second"."""
    entry_id = await asked(world, FRANCE, "first")
    assert await asked(world, REWORDED, "second") == entry_id
    return entry_id


async def say(
    world: CacheWorld, entry_id: str, rating: Rating, *, role: str = "viewer", subject: str = "v1", **more: str
) -> Done:
    return await world.feedback.report(Said(entry_id, rating, **more), a_caller(subject=subject, role=role))


async def test_a_wrong_answer_to_a_reworded_question_is_never_served_to_it_again() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        done = await say(world, entry_id, Rating.WRONG, request_id="second")
        world.upstream.generation = a_generation("Lyon.")
        fresh = await world.ask(REWORDED, request_id="third")
        again = await world.ask(REWORDED, request_id="fourth")
        other, own = await world.ask(THIRD), await world.ask(FRANCE)
    assert done.effect is Effect.SPLIT
    assert (fresh.outcome.status, fresh.outcome.stored) == (Status.MISS, True)
    assert (again.outcome.reason, again.answer) == ("exact", fresh.answer)
    assert other.outcome.status is Status.HIT
    assert own.outcome.entry_id == entry_id


async def test_it_stays_denied_for_a_later_answer_to_the_same_wording() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        await say(world, entry_id, Rating.WRONG, request_id="second")
        await say(world, entry_id, Rating.WRONG, role="operator")
        assert await asked(world, FRANCE, "anew") != entry_id
        assert (await world.ask(REWORDED)).outcome.reason == "denied"


async def test_an_alias_that_comes_late_is_not_served() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        await say(world, entry_id, Rating.WRONG, request_id="second")
        entry = await world.invalidation.get("acme", entry_id)
        assert entry is not None
        await world.stores.exact.put(entry, alias_keys=[world.trust.record(HERE).evidence[-1].asked])
        assert world.trust.kinship.known(HERE, entry_id).denied == 1
        assert (await world.ask(REWORDED)).outcome.status is Status.MISS


async def test_a_wrong_answer_to_an_alias_is_about_that_wording() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        await asked(world, REWORDED, "by-alias")
        done = await say(world, entry_id, Rating.WRONG, role="operator", request_id="by-alias")
        assert done == Done(Effect.SPLIT, removed=1)
        assert (await world.ask(FRANCE)).outcome.entry_id == entry_id
        assert (await world.ask(REWORDED)).outcome.status is Status.MISS


async def test_the_text_tells_the_wording_where_the_request_is_not_known() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        assert (await say(world, entry_id, Rating.WRONG, prompt=f" {REWORDED}\n")).effect is Effect.SPLIT
        assert (await world.ask(FRANCE)).outcome.entry_id == entry_id


async def test_a_right_answer_makes_the_wording_an_alias_that_comes_back() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        assert (await say(world, entry_id, Rating.RIGHT, request_id="second")).effect is Effect.CONFIRMED
        evidence = world.trust.record(HERE).evidence[-1]
        assert await world.stores.exact.unlink(HERE, evidence.asked, entry_id)
        world.embedder.down = True
        hit = await world.ask(REWORDED)
    assert (hit.outcome.tier, hit.outcome.reason, hit.outcome.entry_id) == (Tier.L1, "alias", entry_id)
    assert (evidence.same, evidence.source) == (True, Source.FEEDBACK)


async def test_a_right_answer_brings_a_lost_alias_back() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        key = (await world.ask(REWORDED)).outcome.key
        await world.stores.exact.unlink(HERE, key, entry_id)
        await say(world, entry_id, Rating.RIGHT, request_id="second")
        found, _ = await world.stores.exact.get(HERE, key)
    assert found is not None
    assert found.id == entry_id


async def test_what_was_confirmed_says_the_same_until_somebody_denies_it() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        await say(world, entry_id, Rating.RIGHT, request_id="second")
        asked_key = world.trust.record(HERE).evidence[-1].asked
        kinship = world.trust.kinship
        assert kinship.family(HERE, entry_id) == kinship.family(HERE, asked_key)
        world.clock.advance(1)
        await say(world, entry_id, Rating.WRONG, request_id="second", subject="v2")
        assert kinship.family(HERE, entry_id) != kinship.family(HERE, asked_key)


async def test_one_viewer_does_not_remove_an_entry_and_two_do() -> None:
    async with cache_world() as world:
        entry_id = await asked(world, FRANCE, "first")
        for _ in range(3):
            assert (await say(world, entry_id, Rating.WRONG, subject="v1")).effect is Effect.NOTED
        assert await say(world, entry_id, Rating.WRONG, subject="v2") == Done(Effect.EVICTED, removed=1)
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_a_viewer_who_thinks_better_of_it_does_not_count() -> None:
    async with cache_world() as world:
        entry_id = await asked(world, FRANCE, "first")
        await say(world, entry_id, Rating.WRONG, subject="v1")
        await say(world, entry_id, Rating.RIGHT, subject="v1")
        assert (await say(world, entry_id, Rating.WRONG, subject="v2")).effect is Effect.NOTED


async def test_an_operator_removes_an_entry_at_once() -> None:
    async with cache_world() as world:
        entry_id = await asked(world, FRANCE, "first")
        assert await say(world, entry_id, Rating.WRONG, role="operator") == Done(Effect.EVICTED, removed=1)
        assert (await world.ask(FRANCE)).outcome.status is Status.MISS


async def test_saying_it_again_is_no_further_evidence() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        for _ in range(3):
            await say(world, entry_id, Rating.WRONG, request_id="second")
        assert len(world.trust.record(HERE).evidence) == 1


async def test_repeating_a_report_does_nothing_more() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        more = {"request_id": "second", "idempotency_key": "k"}
        first = await say(world, entry_id, Rating.WRONG, **more)
        assert await say(world, entry_id, Rating.WRONG, **more) == first
        with pytest.raises(InvalidArgument):
            await say(world, entry_id, Rating.RIGHT, **more)


async def test_the_request_of_another_entry_is_refused() -> None:
    async with cache_world() as world:
        await reworded(world)
        other = await asked(world, "How far away is the moon?", "moon")
        with pytest.raises(InvalidArgument) as caught:
            await say(world, other, Rating.WRONG, request_id="second", role="operator")
    assert caught.value.reason == "OTHER_ENTRY"


async def test_another_tenants_entry_is_not_there() -> None:
    async with cache_world() as world:
        entry_id = await reworded(world)
        said = Said(entry_id, Rating.WRONG, request_id="second", prompt=REWORDED)
        with pytest.raises(NotFound):
            await world.feedback.report(said, a_caller("globex", role="admin"))
        assert (await world.ask(REWORDED)).outcome.entry_id == entry_id


async def test_one_key_may_say_so_much_and_no_more() -> None:
    async with cache_world() as world:
        entry_id = await asked(world, FRANCE, "first")
        for _ in range(30):
            await say(world, entry_id, Rating.RIGHT)
        with pytest.raises(ResourceExhausted) as caught:
            await say(world, entry_id, Rating.RIGHT)
        assert (await say(world, entry_id, Rating.RIGHT, subject="v2")).effect is Effect.NOTED
        world.clock.advance(60)
        await say(world, entry_id, Rating.RIGHT)
    assert 0 < (caught.value.retry_after_seconds or 0) <= 60
