"""Limits of probing: who counts, what counts, and what happens beyond."""

from __future__ import annotations

import time

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.questions import question_of
from synapse_cache.lookup import Found
from synapse_cache.model import Considered, Miss, Place, Policy, Status, Tier
from synapse_cache.privacy.probing import Probing, ProbingRules
from synapse_cache.read_through import Served
from tests.support.cache_world import RULES, CacheWorld, a_caller, a_request, cache_world

COUNTRIES = ("France", "Spain", "Italy", "Poland", "Norway", "Chile")
FEW = ProbingRules(per_credential=3, per_user=0, near_similarity=0.99, pause_seconds=60)
NOT_STORED = Policy(no_store=True)


def known(country: str) -> str:
    return f"What is the capital of {country}?"


def guessed(country: str, user: str = "") -> GenerationRequest:
    request = a_request(f"what's the capital of {country}?")
    if user:
        request.caller.user = user
    return request


async def filled(world: CacheWorld) -> None:
    """The questions of somebody else."""
    for country in COUNTRIES:
        await world.ask(known(country), subject="victim")
    await world.settled()


async def guesses(world: CacheWorld, *, subject: str = "prober", user: str = "") -> list[Served]:
    return [await world.ask(guessed(country, user), subject=subject, policy=NOT_STORED) for country in COUNTRIES]


async def test_who_meets_many_entries_of_others_is_matched_by_exact_key_only() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        outcomes = [served.outcome for served in await guesses(world)]
    assert [outcome.status for outcome in outcomes[:4]] == [Status.HIT] * 4
    assert {(outcome.status, outcome.reason) for outcome in outcomes[4:]} == {(Status.MISS, "probing")}


async def test_the_pause_ends() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        await guesses(world)
        world.clock.advance(61)
        assert (await world.ask(guessed("Chile"), subject="prober")).outcome.tier is Tier.L2


async def test_somebody_else_is_not_limited_meanwhile() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        await guesses(world)
        assert (await world.ask(guessed("Chile"), subject="other")).outcome.tier is Tier.L2


async def test_who_asked_first_may_ask_again_as_often_as_they_like() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        outcomes = [served.outcome for served in await guesses(world, subject="victim")]
    assert {outcome.status for outcome in outcomes} == {Status.HIT}


async def test_one_entry_met_often_counts_once() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        outcomes = [
            (await world.ask(guessed("France"), subject="prober", policy=NOT_STORED)).outcome for _ in range(12)
        ]
    assert {outcome.status for outcome in outcomes} == {Status.HIT}


async def test_near_misses_count() -> None:
    rules = ProbingRules(per_credential=3, near_similarity=0.6)
    async with cache_world(probing=rules) as world:
        await filled(world)
        asked = [await world.ask(f"What is the capital of {name}?", subject="prober") for name in ("Peru", "Cuba")]
    assert [served.outcome.reason for served in asked][1] == "probing"


async def test_exact_matches_are_never_limited() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        await guesses(world)
        assert (await world.ask(known("Chile"), subject="prober")).outcome.reason == "exact"


async def test_a_limited_request_is_answered_like_any_other() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        assert all(served.answer for served in await guesses(world))


async def test_each_end_user_of_a_key_has_a_budget() -> None:
    async with cache_world(probing=ProbingRules(per_credential=0, per_user=3)) as world:
        await filled(world)
        await guesses(world, user="mallory")
        limited = (await world.ask(guessed("Chile", "mallory"), subject="prober", policy=NOT_STORED)).outcome
        free = (await world.ask(guessed("Chile", "ann"), subject="prober")).outcome
    assert (limited.reason, free.tier) == ("probing", Tier.L2)


async def test_a_key_cannot_escape_its_budget_by_naming_many_users() -> None:
    async with cache_world(probing=FEW) as world:
        await filled(world)
        for number, country in enumerate(COUNTRIES):
            last = await world.ask(guessed(country, f"user-{number}"), subject="prober", policy=NOT_STORED)
    assert last.outcome.reason == "probing"


async def test_limits_can_be_switched_off() -> None:
    async with cache_world(probing=ProbingRules(per_credential=0, per_user=0)) as world:
        await filled(world)
        outcomes = [served.outcome for served in await guesses(world, user="mallory")]
    assert {outcome.status for outcome in outcomes} == {Status.HIT}


async def test_a_hit_by_meaning_can_be_held_back_for_a_while() -> None:
    async with cache_world(pad_hits_seconds=0.1) as world:
        await filled(world)
        begun = time.perf_counter()
        by_meaning = await world.ask(guessed("France"), subject="prober")
        padded = time.perf_counter() - begun
        begun = time.perf_counter()
        exact = await world.ask(known("France"), subject="prober")
        plain = time.perf_counter() - begun
    assert (by_meaning.outcome.tier, exact.outcome.reason) == (Tier.L2, "exact")
    assert padded >= 0.1 > plain


def test_memory_is_bounded_whoever_asks() -> None:
    probing, question = Probing(ProbingRules()), question_of(a_request(), RULES)
    for number in range(30_000):
        near = tuple(Considered(f"{number}-{index}", "x", 0.99) for index in range(8))
        probing.looked(question, Found(Miss("x", near), Place("acme")), a_caller(subject=str(number)))
    assert len(probing._budgets) <= 20_000
    assert len(probing._known) <= 200_000
