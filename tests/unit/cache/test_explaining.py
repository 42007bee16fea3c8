"""An explanation says what serving would do then, and leaves everything as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from dataclasses import replace

import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.questions import question_of
from synapse_cache.explaining.explaining import Explained
from synapse_cache.followers import Follower
from synapse_cache.model import Answer, Caller, Entry, Hit, Outcome, Place, Policy, Question, Status
from synapse_cache.privacy.probing import REASON, ProbingRules
from synapse_cache.thresholds.thresholds import Level
from synapse_cache.trust.evidence import Evidence, Source
from synapse_runtime.errors import ResourceExhausted
from tests.support.cache_world import RULES, CacheWorld, a_caller, a_request, cache_world

FRANCE = "What is the capital of France?"
SAME = "Can you tell me the capital of France?"
OPEN = "Which town is the seat of the government of France?"
FIVE, SEVEN = "How do I tie 5 knots in a rope?", "How do I tie 7 knots in a rope?"
ACME = Place("acme")


class Told(Follower):
    """A follower that counts what it is told."""

    times = 0

    def served(self, question: Question, found: object, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        self.times += 1

    def answered(self, question: Question, found: object, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        self.times += 1


async def vouches(_asked: str, _stored: str) -> float | None:
    return 4.0


async def explained(
    world: CacheWorld,
    request: GenerationRequest | str,
    policy: Policy | None = None,
    *,
    charged: bool = False,
    thorough: bool = True,
) -> Explained:
    question = question_of(a_request(request) if isinstance(request, str) else request, RULES)
    return await world.explaining.explain(
        question, ACME, policy or Policy(), a_caller(), charged=charged, thorough=thorough
    )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def world(told: Told) -> AsyncIterator[CacheWorld]:
    """A cache that knows two answers."""
    async with cache_world(followers=[told], probing=ProbingRules(per_credential=40)) as world:
        for known in (FRANCE, FIVE):
            await world.ask(known)
        await world.settled()
        yield world


async def nothing(_world: CacheWorld) -> None:
    """The world as it is."""


async def in_shadow(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(shadow=True))


async def exact_only(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(max_error=0))


async def a_higher_floor(world: CacheWorld) -> None:
    await world.thresholds.change("acme", Level(hit_similarity=0.999))


async def suspended(world: CacheWorld) -> None:
    world.trust.suspend(ACME, at=1.0)


async def no_embedder(world: CacheWorld) -> None:
    world.embedder.down = True


async def an_alias(world: CacheWorld) -> None:
    await world.ask(SAME)
    await asyncio.sleep(0.05)


async def a_day_later(world: CacheWorld) -> None:
    world.clock.advance(86_400)


def with_tools() -> GenerationRequest:
    request = a_request(SAME)
    request.tools.add(type="function")
    return request


SITUATIONS: dict[str, tuple[Callable[[CacheWorld], Awaitable[None]], GenerationRequest | str, Policy]] = {
    "exact": (nothing, FRANCE, Policy()),
    "reworded": (nothing, SAME, Policy()),
    "alias": (an_alias, SAME, Policy()),
    "number": (nothing, SEVEN, Policy()),
    "unverified": (nothing, OPEN, Policy()),
    "unknown": (nothing, "Who wrote the Iliad?", Policy()),
    "shadow": (in_shadow, SAME, Policy()),
    "suspended": (suspended, SAME, Policy()),
    "exact only": (exact_only, SAME, Policy()),
    "stricter": (nothing, SAME, Policy(max_error=0.0001)),
    "below floor": (a_higher_floor, OPEN, Policy()),
    "embedder down": (no_embedder, SAME, Policy()),
    "too old": (a_day_later, FRANCE, Policy()),
    "skip": (nothing, FRANCE, Policy(skip=True)),
    "no cache": (nothing, FRANCE, Policy(no_cache=True)),
    "passthrough": (nothing, SAME, Policy(passthrough=True)),
    "tools": (nothing, with_tools(), Policy()),
    "temperature": (nothing, a_request(FRANCE, temperature=1.5), Policy()),
    "private": (nothing, "Is joe@example.com a valid address?", Policy()),
    "live": (nothing, "What time is it in Paris right now?", Policy()),
}


@pytest.mark.parametrize("name", SITUATIONS)
async def test_what_is_explained_is_what_happens(world: CacheWorld, name: str) -> None:
    arrange, request, policy = SITUATIONS[name]
    await arrange(world)
    foretold = (await explained(world, request, policy)).outcome
    happened = (await world.ask(request, policy=policy)).outcome
    assert (foretold.status, foretold.reason, foretold.tier) == (happened.status, happened.reason, happened.tier)
    assert (foretold.key, foretold.similarity, foretold.shadow) == (happened.key, happened.similarity, happened.shadow)
    assert foretold.probability == happened.probability
    assert foretold.status is not Status.HIT or foretold.entry_id == happened.entry_id


async def test_nobody_is_asked_and_nothing_is_stored_or_counted(world: CacheWorld, told: Told) -> None:
    stats, calls, times = copy(world.stats.of("acme")), world.upstream.calls, told.times
    tally = world.trust.counts(ACME)
    for request in (FRANCE, SAME, SEVEN, "Who wrote the Iliad?"):
        await explained(world, request)
    await world.settled()
    assert (world.stats.of("acme"), world.upstream.calls, told.times) == (stats, calls, times)
    assert world.trust.counts(ACME) == tally
    assert (await world.ask("Who wrote the Iliad?")).outcome.reason == "no_candidate"


async def test_every_candidate_is_judged_although_serving_stops_at_the_first() -> None:
    async with cache_world(verify=vouches) as world:
        await world.thresholds.change("acme", Level(max_error=0.3), may_loosen=True)
        for known in ("Where does the government of France have its seat?", "Where does the government of France sit?"):
            await world.ask(known, policy=Policy(max_error=0))
        await world.settled()
        brief, thorough = await explained(world, OPEN, thorough=False), await explained(world, OPEN)
    assert (brief.outcome.reason, thorough.outcome.reason) == ("verified", "verified")
    assert brief.outcome.entry_id == thorough.outcome.entry_id
    assert [one.probability is None for one in brief.found.result.considered] == [False, True]
    assert [one.probability is None for one in thorough.found.result.considered] == [False, False]


async def test_every_candidate_says_why_it_was_not_served(world: CacheWorld) -> None:
    (number,) = (await explained(world, SEVEN)).found.result.considered
    assert (number.veto, number.reason, number.doubt) == ("number", "", "")
    (unsure,) = (await explained(world, OPEN)).found.result.considered
    assert (unsure.veto, unsure.reason) == ("", "unverified")
    assert unsure.doubt


async def test_the_bar_and_the_thresholds_in_force_are_told(world: CacheWorld) -> None:
    told = await explained(world, SAME)
    assert told.bar == world.lookup.standing(ACME, Policy()).bar
    assert told.thresholds == world.thresholds.of("acme")
    assert (await explained(world, with_tools())).bar is None
    await suspended(world)
    off = await explained(world, SAME)
    assert (off.bar, off.suspended) == (None, True)


async def test_a_denied_pair_is_told_as_such(world: CacheWorld) -> None:
    hit = (await explained(world, SAME)).found.result
    assert isinstance(hit, Hit)
    asked = question_of(a_request(SAME), RULES)
    wrong = Evidence(Source.FEEDBACK, hit.entry.id, asked.key, same=False, at=1.0, entry_key=hit.entry.key)
    world.trust.learn(ACME, [wrong])
    told = await explained(world, SAME)
    assert told.outcome.reason == "denied"
    assert [one.reason for one in told.found.result.considered] == ["denied"]
    stored = question_of(a_request(FRANCE), RULES)
    assert (await world.explaining.compare(asked, stored, ACME, Policy())).reason == "denied"


async def test_who_may_not_see_what_others_asked_is_charged_for_every_candidate(world: CacheWorld) -> None:
    for _ in range(40):
        assert (await explained(world, SAME, charged=True)).outcome.status is Status.HIT
    await explained(world, SAME, charged=True)
    assert (await explained(world, SAME, charged=True)).outcome.reason == REASON
    assert (await world.ask(SAME)).outcome.reason == REASON


async def test_who_may_see_it_is_not(world: CacheWorld) -> None:
    for _ in range(60):
        await explained(world, SAME)
    assert (await world.ask(SAME)).outcome.status is Status.HIT


async def test_only_a_few_are_explained_at_once(world: CacheWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_cache.explaining.explaining._LONGEST_WAIT_SECONDS", 0.05)
    world.embedder.delay_seconds = 0.5
    found = await asyncio.gather(*(explained(world, SAME) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one) for one in found if isinstance(one, Exception)) == [ResourceExhausted]


async def test_the_original_need_not_be_stored_to_be_compared_with(world: CacheWorld) -> None:
    asked, stored = (question_of(a_request(text), RULES) for text in (SEVEN.replace("7", "8"), SEVEN))
    judged = await world.explaining.compare(asked, stored, ACME, Policy())
    assert (judged.entry_id, judged.prompt, judged.veto, judged.reason) == ("", SEVEN, "number", "")
    same = await world.explaining.compare(replace(asked, prompt=f"Please: {SEVEN}"), stored, ACME, Policy())
    assert (same.veto, same.reason) == ("", "")
    assert same.probability is not None


@pytest.mark.parametrize(
    ("asked", "stored", "policy", "reason"),
    [
        (with_tools(), with_tools(), Policy(), ""),
        (with_tools(), a_request(FRANCE), Policy(), "tools"),
        (a_request("Who is the latest winner of the Tour?"), a_request("Who won the Tour?"), Policy(), "daily"),
        (a_request("Who won the Tour?"), a_request("Who is the latest winner of the Tour?"), Policy(), "daily"),
        (a_request(SAME, temperature=1.5), a_request(FRANCE), Policy(), "temperature"),
        (a_request(SAME), a_request("What time is it right now?"), Policy(), "live"),
        (a_request(SAME), a_request(FRANCE), Policy(max_error=0), "exact_only"),
    ],
)
async def test_a_pair_in_which_meaning_has_no_say_is_told_why(
    world: CacheWorld, asked: GenerationRequest, stored: GenerationRequest, policy: Policy, reason: str
) -> None:
    judged = await world.explaining.compare(question_of(asked, RULES), question_of(stored, RULES), ACME, policy)
    assert (judged.reason, judged.veto, judged.probability) == (reason, "", None)


async def test_without_an_embedder_pairs_say_so(world: CacheWorld) -> None:
    world.embedder.down = True
    questions = (question_of(a_request(text), RULES) for text in (SAME, FRANCE))
    assert (await world.explaining.compare(*questions, ACME, Policy())).reason == "embed_unavailable"
