"""Words of time: which class they give a prompt, how long its answers live, and whom they serve."""

from __future__ import annotations

import asyncio
import time

import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.model import Policy, Status, Tier
from synapse_cache.privacy.freshness import Freshness, Lives, freshness_of
from synapse_cache.privacy.privacy import PersonalData
from tests.support.cache_world import RULES, a_request, cache_world

DAY = 86_400.0
TIMED = {
    Freshness.LIVE: [
        "What time is it?",
        "what time is it in Tokyo right now",
        "What's the time?",
        "Give me live scores of the match",
        "Is GitHub down right now?",
        "What is the bitcoin price right now?",
    ],
    Freshness.HOURLY: [
        "What's the weather in Paris?",
        "How is the traffic on the A1?",
        "current weather in Rome",
        "What is the stock price of Apple today?",
        "latest news about the election",
        "What is the exchange rate of the dollar?",
        "Who is winning?",
        "What is today's date?",
        "Will it rain tomorrow?",
        "Wie wird das Wetter?",
        "Quelle météo à Paris ?",
        "¿Qué tiempo hace?",
        "Какая погода?",
        "北京天气怎么样",
        "東京の天気は",
        "서울 날씨",
    ],
    Freshness.DAILY: [
        "Who is the current president of France?",
        "What is the latest version of Python?",
        "Who won last night?",
        "What can I do in Paris this weekend?",
        "What happened yesterday?",
        "What are the plans for next week?",
        "Which films came out three days ago?",
        "as of today, how many members has the EU?",
        "What time complexity is quicksort now?",
        "Is he still alive now?",
        "What's on TV tonight?",
        "Was läuft heute im Kino?",
        "Qu'est-ce qui se passe aujourd'hui ?",
        "¿Qué pasa hoy?",
        "O que acontece amanhã?",
        "Cosa succede oggi?",
        "Wat gebeurt er vandaag?",
        "Co się dzieje dzisiaj?",
        "Bugün ne oldu?",
        "Что сегодня произошло?",
        "今天有什么",
        "今日は何がある",
        "오늘 뭐 해",
        "ماذا يحدث اليوم",
        "आज क्या हुआ",
    ],
    Freshness.STATIC: [
        "What is the capital of France?",
        "How do I reset my password?",
        "Who was president as of 1990?",
        "What is the time complexity of quicksort?",
        "What is the time difference between Rome and Tokyo?",
        "How does direct current flow?",
        "What is the current in a circuit of 5 ohm?",
        "Why is my current account blocked?",
        'Translate "see you tomorrow" into French',
        "How is society different in today's world?",
        "What is a weather balloon?",
        "Where do they live?",
        "What is a good credit score?",
        "I deposited cash this morning, why is it not there?",
        "I was charged twice yesterday, can you help?",
        "Was ist die Hauptstadt von Frankreich?",
        "Quelle est la capitale de la France ?",
    ],
}


@pytest.mark.parametrize(("freshness", "text"), [(name, text) for name, texts in TIMED.items() for text in texts])
def test_words_of_time_give_a_class(freshness: Freshness, text: str) -> None:
    assert freshness_of(text) is freshness


def test_the_question_at_either_end_of_a_long_text_counts() -> None:
    filler = "This is a long document about nothing in particular. " * 60
    assert freshness_of(f"{filler} What is the weather in Paris?") is Freshness.HOURLY
    assert freshness_of(f"What is the weather in Paris? {filler}") is Freshness.HOURLY


async def test_a_question_about_this_minute_is_never_stored_nor_served() -> None:
    async with cache_world() as world:
        first, second = await world.ask("What time is it?"), await world.ask("What time is it?")
    assert (first.outcome.reason, first.outcome.stored) == ("live", False)
    assert (second.outcome.status, world.upstream.calls) == (Status.MISS, 2)


async def test_a_question_about_this_minute_is_shared_by_those_who_ask_at_once() -> None:
    async with cache_world() as world:
        world.upstream.gate = asyncio.Event()
        asking = [asyncio.create_task(world.ask("What time is it?")) for _ in range(3)]
        await asyncio.sleep(0.02)
        world.upstream.gate.set()
        served = [await one for one in asking]
    assert world.upstream.calls == 1
    assert sorted(one.outcome.collapsed for one in served) == [False, True, True]


async def test_a_stream_of_what_is_never_stored_does_not_promise_to_store_it() -> None:
    async with cache_world() as world:
        outcome, _ = await world.ask_streamed("What time is it?")
    assert not outcome.stored


async def test_weather_is_served_for_a_quarter_of_an_hour() -> None:
    async with cache_world() as world:
        stored = await world.ask("What's the weather in Paris?")
        world.clock.advance(899)
        soon = await world.ask("What's the weather in Paris?")
        world.clock.advance(2)
        late = await world.ask("What's the weather in Paris?")
    assert stored.outcome.stored
    assert (soon.outcome.tier, late.outcome.status) == (Tier.L1, Status.MISS)
    assert soon.outcome.ttl_seconds == pytest.approx(1)


async def test_weather_in_other_words_is_served_no_longer() -> None:
    async with cache_world() as world:
        await world.ask("What's the weather in Paris?")
        await world.settled()
        soon = await world.ask("What is the weather in Paris?", policy=Policy(no_store=True))
        world.clock.advance(901)
        late = await world.ask("Tell me what the weather in Paris is")
    assert (soon.outcome.tier, late.outcome.status) == (Tier.L2, Status.MISS)


async def test_an_answer_of_today_does_not_outlive_midnight() -> None:
    async with cache_world() as world:
        world.clock.advance(DAY - world.clock() % DAY - 60)  # a minute before
        await world.ask("What's on TV tonight?")
        before = await world.ask("What's on TV tonight?")
        world.clock.advance(61)
        after = await world.ask("What's on TV tonight?")
    assert (before.outcome.status, after.outcome.status) == (Status.HIT, Status.MISS)


async def test_an_answer_of_today_never_serves_a_question_of_always() -> None:
    asked = ("Who is the president of France?", "Who is the current president of France?")
    assert question_of(a_request(asked[0]), RULES).scope != question_of(a_request(asked[1]), RULES).scope
    async with cache_world() as world:
        await world.ask(asked[1])
        await world.settled()
        assert (await world.ask(asked[0])).outcome.status is Status.MISS


async def test_what_an_earlier_turn_asked_counts() -> None:
    request = a_request("What's the weather in Paris?")
    request.messages.add(role="assistant", text="Sunny.")
    request.messages.add(role="user", text="And in Rome?")
    assert question_of(request, RULES).life.freshness is Freshness.HOURLY


def test_a_system_prompt_does_not_count() -> None:
    request = GenerationRequest(model="m")
    request.messages.add(role="system", text="Always give the latest news as of today.")
    request.messages.add(role="user", text="What is the capital of France?")
    assert question_of(request, RULES).life.freshness is Freshness.STATIC


async def test_an_answer_stored_under_longer_lives_is_not_served_when_they_are_shorter() -> None:
    patient = QuestionRules(1.0, PersonalData.EXACT_ONLY, lives=Lives(hourly_seconds=3_000))
    async with cache_world() as world:
        await world.ask("What's the weather in Paris?", rules=patient)
        await world.settled()
        world.clock.advance(1_000)
        strict = await world.ask("What's the weather in Paris?", policy=Policy(no_store=True))
        lenient = await world.ask("What's the weather in Paris?", rules=patient)
    assert (strict.outcome.status, strict.outcome.reason) == (Status.MISS, "hourly")
    assert lenient.outcome.status is Status.HIT


@pytest.mark.parametrize(("wanted", "status"), [(60, Status.MISS), (86_400, Status.MISS)])
async def test_a_caller_may_shorten_the_life_and_not_lengthen_it(wanted: float, status: Status) -> None:
    async with cache_world() as world:
        await world.ask("What's the weather in Paris?", policy=Policy(ttl_seconds=wanted))
        world.clock.advance(min(wanted, 900) + 1)
        later = await world.ask("What's the weather in Paris?", policy=Policy(max_age_seconds=86_400))
    assert later.outcome.status is status


async def test_an_answer_that_ages_is_never_served_stale() -> None:
    async with cache_world() as world:
        found = await world.ask("What's the weather in Paris?")
        await world.settled()
        entry = await world.stores.exact.find("acme", found.outcome.entry_id)
    assert entry is not None
    assert entry.stale_until == 0.0


def work(text: str) -> float:
    """Seconds of this process's own time to read `text`, the best of five tries."""

    def once() -> float:
        begun = time.process_time_ns()
        freshness_of(text)
        return (time.process_time_ns() - begun) / 1e9

    return min(once() for _ in range(5))


@pytest.mark.parametrize(
    "piece",
    ["a ", "what is ", "is a ", '"', "weather a ", "right now a ", "who a", "today", "i have ", "last a ", "今", "a"],
)
def test_four_times_the_text_is_no_more_than_four_times_the_work(piece: str) -> None:
    small, large = work(piece * (2_000 // len(piece))), work(piece * (8_000 // len(piece)))
    assert large <= 8 * small + 0.002, (small, large)
