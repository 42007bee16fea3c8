"""The log of requests: what is noted, what is kept out, and how it is written behind the replies."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from synapse_cache.adapters.log_memory import MemoryRequestLog
from synapse_cache.adapters.questions import question_of
from synapse_cache.analytics import request_log
from synapse_cache.analytics.logbook import Logbook, Sieve
from synapse_cache.analytics.request_log import Logged, LogRules, RequestLogger
from synapse_cache.lookup import Found
from synapse_cache.model import Miss, Outcome, Place, Policy, Status, Tier
from synapse_cache.ports import StoreUnavailable
from synapse_cache.thresholds.thresholds import FixedThresholds, Level, Thresholds
from tests.support.analytics_world import analytics_world
from tests.support.cache_world import RULES, a_caller, a_request
from tests.support.logged import a_hit_by_meaning, a_miss, an_exact_hit

HELD = Thresholds(hit_similarity=0.5, max_error=0.01)
QUESTION, REWORDED = "What is the capital of France?", "Can you tell me the capital of France?"
PERSONAL = "Write to jane.doe@example.org about the capital of France"


class Shop:
    """A log store that can be closed to writers."""

    def __init__(self) -> None:
        self.inner = MemoryRequestLog(most=100, seconds=3600)
        self.closed = False
        self.batches: list[str] = []

    async def append(self, records: Sequence[Logged], *, batch_id: str) -> None:
        self.batches.append(batch_id)
        await self.inner.append(records, batch_id=batch_id)
        if self.closed:
            raise StoreUnavailable("no reply came")

    async def page(self, tenant: str, *, before: str, limit: int) -> list[tuple[str, Logged]]:
        return await self.inner.page(tenant, before=before, limit=limit)

    async def close(self) -> None:
        """Nothing is held."""


def a_logger(store: Shop | MemoryRequestLog, rules: LogRules | None = None) -> RequestLogger:
    return RequestLogger(store, FixedThresholds(HELD), rules)


def note(logger: RequestLogger, text: str = QUESTION, *, policy: Policy | None = None, tenant: str = "acme") -> None:
    question = question_of(a_request(text), RULES)
    outcome = Outcome(Status.MISS, "no_candidate", question.key, latency_seconds=0.001)
    found = Found(Miss("no_candidate"), Place(tenant))
    logger.served(question, found, outcome, policy or Policy(), a_caller(tenant))


async def all_of(store: Shop | MemoryRequestLog, tenant: str = "acme") -> list[Logged]:
    return [one for _, one in await store.page(tenant, before="", limit=1_000)]


async def test_a_hit_by_meaning_is_logged_with_its_decision() -> None:
    async with analytics_world() as world:
        await world.cache.ask(QUESTION)
        await world.cache.settled()
        hit = (await world.cache.ask(REWORDED)).outcome
        one, miss = await world.logged()
    assert (one.status, one.tier, one.reason, one.entry_id) == (hit.status, Tier.L2, hit.reason, hit.entry_id)
    assert (one.tokens, one.best_veto) == (12, "")
    assert one.age_seconds == pytest.approx(0, abs=5)
    assert one.best_similarity == one.similarity == hit.similarity
    assert one.best_error is not None
    assert one.bar is not None
    assert one.best_error <= one.bar
    assert (miss.status, miss.reason, miss.tokens, miss.best_similarity) == (Status.MISS, "no_candidate", 0, None)
    assert miss.max_error == 0.01


async def test_a_refused_candidate_is_logged_with_its_veto() -> None:
    async with analytics_world() as world:
        await world.cache.ask("How much is 2 plus 3?")
        await world.cache.settled()
        await world.cache.ask("How much is 2 plus 4?")
        one = (await world.logged())[0]
    assert (one.status, one.best_veto) == (Status.MISS, "number")
    assert one.best_similarity is not None


async def test_what_shadow_kept_back_is_logged_with_its_worth() -> None:
    async with analytics_world() as world:
        await world.cache.ask(QUESTION)
        await world.cache.settled()
        await world.cache.thresholds.change("acme", Level(shadow=True))
        await world.cache.ask(REWORDED)
        one = (await world.logged())[0]
    assert (one.status, one.shadow, one.tier, one.tokens) == (Status.MISS, True, Tier.L2, 12)


async def test_no_text_is_logged_unless_the_operator_wants_it() -> None:
    for prompts, expected in ((False, ""), (True, QUESTION)):
        store = Shop()
        logger = a_logger(store, LogRules(prompts=prompts))
        note(logger)
        await logger.flush()
        assert (await all_of(store))[0].prompt == expected


async def test_personal_data_is_never_logged() -> None:
    store = Shop()
    logger = a_logger(store, LogRules(prompts=True))
    note(logger, PERSONAL)
    await logger.flush()
    one = (await all_of(store))[0]
    assert (one.prompt, one.sketch, one.exact_only) == ("", b"", True)


async def test_a_preview_is_no_request() -> None:
    logger = a_logger(Shop())
    note(logger, policy=Policy(preview=True))
    assert logger.waiting == 0


async def test_a_callers_stricter_bound_is_what_held() -> None:
    store = Shop()
    logger = a_logger(store)
    for asked in (0.001, 0.5):
        note(logger, policy=Policy(max_error=asked))
    await logger.flush()
    assert [(one.asked_error, one.max_error) for one in await all_of(store)] == [(0.5, 0.01), (0.001, 0.001)]


async def test_what_finds_no_room_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MOST_WAITING", 3)
    store = Shop()
    logger = a_logger(store)
    for _ in range(5):
        note(logger)
    await logger.flush()
    assert len(await all_of(store)) == 3


async def test_a_store_that_is_down_delays_the_log_and_doubles_nothing() -> None:
    store = Shop()
    logger = a_logger(store)
    store.closed = True
    note(logger)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await logger.flush()
    store.closed = False
    note(logger)
    await logger.flush()
    assert (len(await all_of(store)), len(set(store.batches)), logger.waiting) == (2, 2, 0)


async def test_draining_ends_though_the_store_is_down() -> None:
    store = Shop()
    logger = a_logger(store)
    store.closed = True
    note(logger)
    await logger.drain(seconds=1)
    assert logger.waiting == 1


async def test_everything_that_waits_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_BATCH", 7)
    store = Shop()
    logger = a_logger(store)
    for number in range(50):
        note(logger, f"question {number}")
    await logger.flush()
    assert (len(await all_of(store)), len(store.batches)) == (50, 8)


async def a_logbook(*records: Logged) -> Logbook:
    store = MemoryRequestLog(most=1_000, seconds=3600, clock=lambda: 1_000_000.0)
    await store.append(records, batch_id="b1")
    return Logbook(store, a_logger(store))


@pytest.mark.parametrize(
    ("sieve", "expected"),
    [
        (Sieve(), ["3", "2", "1"]),
        (Sieve(tier=Tier.L2), ["2"]),
        (Sieve(status=Status.MISS), ["1"]),
        (Sieve(namespace="other"), ["3"]),
        (Sieve(model="n"), ["2"]),
        (Sieve(status=Status.MISS, model="n"), []),
    ],
)
async def test_a_sieve_lets_through_what_was_asked_for(sieve: Sieve, expected: list[str]) -> None:
    book = await a_logbook(a_miss(id="1"), a_hit_by_meaning(id="2", model="n"), an_exact_hit(id="3", namespace="other"))
    found, following = await book.page("acme", sieve, before="", limit=10)
    assert ([one.id for one in found], following) == (expected, "")


async def test_pages_of_a_sieve_hold_everything_once() -> None:
    records = [a_miss(id=str(number)) if number % 3 else an_exact_hit(id=str(number)) for number in range(700)]
    book = await a_logbook(*records)
    seen: list[str] = []
    before = ""
    while True:
        found, before = await book.page("acme", Sieve(status=Status.MISS), before=before, limit=50)
        seen += [one.id for one in found]
        if not before:
            break
    assert seen == [one.id for one in reversed(records) if not one.hit]


async def test_a_request_is_found_by_its_id() -> None:
    book = await a_logbook(a_miss(id="1"), a_miss(id="2", reason="first"), a_miss(id="2", reason="second"))
    found = await book.find("acme", "2")
    assert found is not None
    assert found.reason == "second"
    assert await book.find("acme", "3") is None
    assert await book.find("globex", "1") is None


async def test_the_window_of_a_replay_is_oldest_first() -> None:
    book = await a_logbook(*(a_miss(id=str(number), at=999_990.0 + number) for number in range(5)))
    assert [one.id for one in await book.since("acme", oldest_at=999_992.0)] == ["2", "3", "4"]
    assert await book.since("acme", oldest_at=0, namespace="other") == []
