"""Audits find wrong answers, the cache learns from them, and nobody waits for it."""

from __future__ import annotations

import asyncio

import pytest

from synapse_cache.adapters.answers import answer_of, said_of
from synapse_cache.adapters.questions import question_of
from synapse_cache.audits.referee import Referee
from synapse_cache.model import Place, Policy, Tier
from synapse_cache.ports import StoreUnavailable
from synapse_cache.thresholds.thresholds import Level
from synapse_cache.trust import bound
from synapse_cache.trust.evidence import LOWEST_STRICTNESS, Evidence, Source, Tally
from synapse_cache.trust.news import NOTHING, Parcel
from synapse_runtime.errors import Unavailable
from tests.support.cache_world import RULES, Together, a_caller, a_generation, a_request, cache_world
from tests.support.clock import Clock

HERE = Place("acme")
ASKED, REWORDED, AGAIN = (
    "What is the capital of France?",
    "what's the capital of France?",
    "What's the capital of France",
)


def counts(world, place=HERE):
    return world.trust.counts(place).tally


async def hit_by_meaning(world, *, fresh="Paris", asked=ASKED, reworded=REWORDED, **how):
    """Ask twice in other words, the backend saying `fresh` from then on; returns what the second was served."""
    world.upstream.generation = a_generation("Paris")
    await world.ask(asked)
    await world.settled()
    world.upstream.generation = a_generation(fresh)
    served = await world.ask(reworded, **how)
    assert served.outcome.tier is Tier.L2
    return served


async def test_a_right_answer_is_confirmed():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await hit_by_meaning(world, fresh="**Paris**")
        await world.checks.done()
        assert counts(world) == Tally(requests=2, hits=1, expected_errors=counts(world).expected_errors, audits=1)
        [evidence] = world.trust.record(HERE).evidence
        assert (evidence.source, evidence.same, evidence.served) == (Source.AUDIT, True, True)


async def test_a_wrong_answer_is_found_and_served_no_more():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        wrong = await hit_by_meaning(world, fresh="London")
        await world.checks.done()
        await world.settled()
        again = await world.ask(REWORDED)
        assert counts(world).audits_wrong == 1
        assert (again.outcome.tier, again.outcome.reason) == (Tier.L1, "exact")
        assert again.outcome.entry_id != wrong.outcome.entry_id


async def test_the_fresh_answer_becomes_the_prompts_own():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await hit_by_meaning(world, fresh="It is Paris, on the Seine, which has been the capital for a long time.")
        await world.checks.done()
        await world.settled()
        assert counts(world).audits_open == 1
        assert (await world.ask(REWORDED)).answer == world.upstream.generation.SerializeToString()


async def test_what_must_not_be_stored_loses_only_its_alias():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await hit_by_meaning(world, fresh="London", policy=Policy(no_store=True))
        await world.checks.done()
        key = (await world.ask(REWORDED, policy=Policy(preview=True))).outcome.key
        stored, _ = await world.stores.exact.get(HERE, key)
        assert stored is None
        assert (await world.ask(ASKED)).outcome.reason == "exact"


async def test_a_hit_waits_for_no_audit():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await world.ask(ASKED)
        await world.settled()
        world.upstream.gate = asyncio.Event()
        async with asyncio.timeout(1):
            assert (await world.ask(REWORDED)).outcome.tier is Tier.L2
        world.upstream.gate.set()
        await world.checks.done()
        assert counts(world).audits == 1


async def test_an_alias_is_a_hit_by_meaning_and_an_own_key_is_none():
    async with cache_world() as world:
        await hit_by_meaning(world)
        await asyncio.sleep(0.01)
        assert (await world.ask(REWORDED)).outcome.reason == "alias"
        assert (await world.ask(ASKED)).outcome.reason == "exact"
        assert (counts(world).requests, counts(world).hits) == (4, 2)


async def test_an_alias_is_audited_as_well():
    async with cache_world() as world:
        await hit_by_meaning(world, fresh="London")
        await asyncio.sleep(0.01)
        world.checks.audits_every_hit()
        await world.ask(REWORDED)
        await world.checks.done()
        assert counts(world).audits_wrong == 1


async def test_a_streamed_hit_is_audited_once():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await world.ask(ASKED)
        await world.settled()
        outcome, _ = await world.ask_streamed(REWORDED)
        await world.checks.done()
        assert (outcome.tier, counts(world).audits, world.upstream.calls) == (Tier.L2, 1, 2)


async def test_audits_are_no_requests():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await hit_by_meaning(world)
        await world.checks.done()
        tally = world.stats.of("acme")
        assert (tally.hits + tally.misses, tally.stores, counts(world).requests) == (2, 1, 2)


async def test_the_share_of_the_tenant_says_how_many_hits_are_audited():
    async with cache_world() as world:
        await world.thresholds.change("acme", Level(audit_share=0.0))
        world.checks.audits_every_hit()
        await hit_by_meaning(world, fresh="London")
        await world.checks.done()
        assert (counts(world).hits, counts(world).audits) == (1, 0)


@pytest.mark.parametrize("policy", [Policy(only_if_cached=True), Policy(preview=True), Policy(passthrough=True)])
async def test_who_wants_no_backend_asked_or_nothing_served_is_not_audited(policy):
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await world.ask(ASKED)
        await world.settled()
        await world.ask(REWORDED, policy=policy)
        await world.checks.done()
        assert counts(world).audits == 0


async def test_an_audit_without_an_answer_says_nothing():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await world.ask(ASKED)
        await world.settled()
        world.upstream.error = Unavailable("broke")
        assert (await world.ask(REWORDED)).outcome.tier is Tier.L2
        await world.checks.done()
        assert counts(world).audits == 0


async def test_after_a_miss_the_best_candidate_is_compared_for_nothing():
    async with cache_world() as world:
        await world.ask(ASKED)
        await world.settled()
        await world.thresholds.change("acme", Level(shadow=True))
        served = await world.ask(REWORDED)
        await world.checks.done()
        assert served.outcome.shadow
        assert (counts(world).shadows, counts(world).shadows_wrong, world.upstream.calls) == (1, 0, 2)
        [evidence] = world.trust.record(HERE).evidence
        assert (evidence.source, evidence.same, evidence.served) == (Source.MISS, True, False)


FACTS = ["France", "Spain", "Italy", "Austria"]


async def wrong_answers(world, countries):
    """Hits of which every one turns out wrong, all of them served before the first is found out."""
    world.upstream.generation = a_generation("Paris")
    for country in countries:
        await world.ask(f"What is the capital of {country}?")
    await world.settled()
    world.upstream.generation, world.upstream.gate = a_generation("London"), asyncio.Event()
    asking = [asyncio.create_task(world.ask(f"what's the capital of {country}?")) for country in countries]
    await asyncio.sleep(0.05)
    world.upstream.gate.set()
    await asyncio.gather(*asking)
    world.upstream.gate = None
    await world.checks.done()


async def test_wrong_answers_suspend_reuse_and_the_bound_says_why():
    async with cache_world() as world:
        world.checks.audits_every_hit()
        await wrong_answers(world, FACTS)
        record = world.trust.counts(HERE)
        assert record.suspended_at is not None
        assert bound.of_requests(record.recent).lower > 0.01
        await world.ask("What is the capital of Japan?")
        await world.settled()
        assert (await world.ask("what's the capital of Japan?")).outcome.reason == "suspended"


async def test_a_suspended_namespace_serves_aliases_only_where_they_were_called_right():
    async with cache_world() as world:
        served = await hit_by_meaning(world)
        await asyncio.sleep(0.01)
        world.trust.suspend(HERE, at=world.clock())
        assert (await world.ask(REWORDED, policy=Policy(no_store=True))).outcome.reason == "suspended"
        right = Evidence(Source.FEEDBACK, served.outcome.entry_id, served.outcome.key, same=True, at=world.clock())
        world.trust.learn(HERE, [right])
        assert (await world.ask(REWORDED)).outcome.reason == "alias"


async def test_a_suspended_namespace_is_compared_in_the_shadow():
    async with cache_world() as world:
        world.trust.suspend(HERE, at=world.clock())
        await wrong_answers(world, FACTS[:2])
        assert (counts(world).hits, counts(world).shadows, counts(world).shadows_wrong) == (0, 2, 2)


async def test_right_answers_in_the_shadow_loosen_what_audits_tightened():
    async with cache_world() as world:
        world.trust.tighten(HERE, LOWEST_STRICTNESS)
        for country in FACTS[:3]:
            await world.ask(f"What is the capital of {country}?")
            await world.settled()
            assert (await world.ask(f"what's the capital of {country}?")).outcome.tier is None
            await world.checks.done()
        assert counts(world).shadows == 3
        assert world.trust.counts(HERE).strictness > LOWEST_STRICTNESS


async def test_a_suspension_holds_for_every_replica_and_after_a_restart():
    together = Together()
    async with cache_world(together=together) as one, cache_world(together=together) as two:
        one.checks.audits_every_hit()
        await wrong_answers(one, FACTS)
        assert await one.checks.shared()
        await two.ask("Who wrote Faust?")
        assert await two.checks.shared()
        assert two.trust.counts(HERE).suspended_at == one.trust.counts(HERE).suspended_at is not None
        assert two.trust.record(HERE).evidence == one.trust.record(HERE).evidence
    async with cache_world(together=together) as restarted:
        await restarted.ask("Who wrote Emma?")
        assert await restarted.checks.shared()
        assert restarted.trust.counts(HERE).suspended_at is not None
        assert counts(restarted).requests == counts(one).requests + 1


class Outage:
    """A store that can be told not to answer."""

    def __init__(self, store):
        self.store, self.down = store, True

    async def exchange(self, place, parcel):
        if self.down:
            raise StoreUnavailable("down")
        return await self.store.exchange(place, parcel)

    async def places(self, *, limit):
        return await self.store.places(limit=limit)


async def test_what_is_found_while_the_store_is_down_is_told_later():
    together = Together()
    together.trust_store = Outage(together.trust_store)
    async with cache_world(together=together) as world:
        world.checks.audits_every_hit()
        await wrong_answers(world, FACTS[:3])
        assert not await world.checks.shared()
        await wrong_answers(world, FACTS[3:4])
        together.trust_store.down = False
        assert await world.checks.shared()
        assert await world.checks.shared()
        heard = await together.trust_store.exchange(HERE, Parcel("other", 0, NOTHING))
        assert heard.record.tally == counts(world)
        assert heard.record.evidence == world.trust.record(HERE).evidence


class Judge:
    """Says what a test tells it to."""

    def __init__(self, word):
        self.word, self.asked = word, []

    async def same(self, asked, first, second, *, caller):
        self.asked.append((asked, first, second))
        if isinstance(self.word, Exception):
            raise self.word
        return self.word


PROSE = "It is Paris, a large city on the river Seine in the north of the country, as everybody knows."


@pytest.mark.parametrize(
    ("word", "wrong", "left"), [(True, 0, 0), (False, 1, 0), (None, 0, 1), (Unavailable("no"), 0, 1)]
)
async def test_a_judge_is_asked_about_what_texts_leave_open(word, wrong, left):
    judge = Judge(word)
    async with cache_world(judge=judge) as world:
        world.checks.audits_every_hit()
        await hit_by_meaning(world, fresh=PROSE)
        await world.checks.done()
        assert judge.asked == [(REWORDED, "Paris", PROSE)]
        assert (counts(world).audits_wrong, counts(world).audits_open) == (wrong, left)


async def test_a_judge_hears_nothing_of_questions_with_a_key_of_the_callers_own():
    judge = Judge(True)
    async with cache_world(judge=judge) as world:
        world.checks.audits_every_hit()
        await world.ask(ASKED)
        await world.settled()
        world.upstream.generation = a_generation(PROSE)
        request = a_request(REWORDED)
        request.caller.provider_key = "sk-own"
        assert (await world.ask(request)).outcome.tier is Tier.L2
        await world.checks.done()
        assert (judge.asked, counts(world).audits_open) == ([], 1)


async def test_a_judge_is_asked_so_often_a_minute():
    judge, clock = Judge(True), Clock()
    referee = Referee(said_of, judge, calls_per_minute=2, clock=clock)
    question, texts = question_of(a_request(), RULES), [answer_of(a_generation(t)).payload for t in ("Paris", PROSE)]

    async def settled(times):
        return [(await referee.settle(question, *texts, a_caller())).likeness for _ in range(times)]

    assert await settled(3) == ["same", "same", "open"]
    clock.advance(60)
    assert await settled(1) == ["same"]
