"""What counts as saved, and how the counts reach the cluster's sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from synapse_cache import telemetry
from synapse_cache.adapters.questions import question_of
from synapse_cache.adapters.savings_memory import MemorySavings
from synapse_cache.analytics import savings
from synapse_cache.analytics.savings import Account, Saved, SavingsCounter, SavingsReport
from synapse_cache.lookup import Found
from synapse_cache.model import Hit, Miss, Outcome, Place, Policy, Status, Tier
from synapse_cache.ports import StoreUnavailable
from tests.support.analytics_world import analytics_world
from tests.support.cache_world import RULES, a_caller, a_request
from tests.support.clock import Clock
from tests.support.entries import an_entry

MINE = Account("acme", "2026-11-23", "m")
NOON = 1_795_435_200.0


class Bank:
    """A savings store whose replies can get lost."""

    def __init__(self) -> None:
        self.inner = MemorySavings(clock=Clock(NOON))
        self.silent = False

    async def add(self, counts: Mapping[Account, Saved], *, batch_id: str) -> None:
        await self.inner.add(counts, batch_id=batch_id)
        if self.silent:
            raise StoreUnavailable("no reply came")

    async def read(self, tenant: str | None, *, first_day: str, last_day: str) -> dict[Account, Saved]:
        return await self.inner.read(tenant, first_day=first_day, last_day=last_day)

    async def close(self) -> None:
        """Nothing is held."""


def serve(
    counter: SavingsCounter, status: Status, *, made_in: float = 0.0, model: str = "m", policy: Policy | None = None
) -> None:
    question = question_of(a_request(model=model), RULES)
    entry = replace(an_entry(), made_in_seconds=made_in)
    found = Found(
        Hit(entry, Tier.L1, 1.0, "exact") if status is not Status.MISS else Miss("no_candidate"), Place("acme")
    )
    worth = {"tokens_saved": 12, "cost_saved_nanos": 500} if status is Status.HIT else {}
    outcome = Outcome(status, "exact", question.key, latency_seconds=0.25, **worth)
    counter.served(question, found, outcome, policy or Policy(), a_caller())


async def sums(store: Bank | MemorySavings) -> dict[Account, Saved]:
    return await store.read(None, first_day="2026-01-01", last_day="2027-01-01")


@pytest.mark.parametrize(
    ("status", "made_in", "expected"),
    [
        (Status.HIT, 2.0, Saved(1, 1, 12, 500, 1_750_000)),
        (Status.HIT, 0.0, Saved(1, 1, 12, 500, 0)),
        (Status.HIT, 0.1, Saved(1, 1, 12, 500, 0)),
        (Status.MISS, 2.0, Saved(1)),
    ],
)
async def test_a_hit_saves_what_its_answer_took_less_what_serving_took(
    status: Status, made_in: float, expected: Saved
) -> None:
    store = Bank()
    counter = SavingsCounter(store, clock=Clock(NOON))
    serve(counter, status, made_in=made_in)
    await counter.flush()
    assert await sums(store) == {MINE: expected}


@pytest.mark.parametrize(("status", "policy"), [(Status.BYPASS, Policy()), (Status.HIT, Policy(preview=True))])
async def test_bypasses_and_previews_do_not_count(status: Status, policy: Policy) -> None:
    store = Bank()
    counter = SavingsCounter(store, clock=Clock(NOON))
    serve(counter, status, policy=policy)
    await counter.flush()
    assert await sums(store) == {}


async def test_every_way_to_hit_saves() -> None:
    async with analytics_world() as world:
        question, reworded = "What is the capital of France?", "Can you tell me the capital of France?"
        await world.cache.ask(question)
        await world.cache.settled()
        for text in (question, reworded, reworded):
            await world.cache.ask(text)
        await world.counter.flush()
        found = await sums(world.saved)
    assert [(one.model, saved.requests, saved.hits, saved.tokens) for one, saved in found.items()] == [("m", 4, 3, 36)]


async def test_a_day_ends_at_midnight_in_utc() -> None:
    store, clock = Bank(), Clock(NOON)
    counter = SavingsCounter(store, clock=clock)
    serve(counter, Status.MISS)
    clock.advance(12 * 3600)
    serve(counter, Status.MISS)
    await counter.flush()
    assert await sums(store) == {MINE: Saved(1), MINE._replace(day="2026-11-24"): Saved(1)}


async def test_a_lost_reply_counts_nothing_twice() -> None:
    store = Bank()
    counter = SavingsCounter(store, clock=Clock(NOON))
    serve(counter, Status.HIT)
    store.silent = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await counter.flush()
    serve(counter, Status.HIT)
    store.silent = False
    await counter.flush()
    assert (await sums(store))[MINE].hits == 2


async def test_accounts_without_end_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savings, "_MOST_WAITING", 2)
    store = Bank()
    counter = SavingsCounter(store, clock=Clock(NOON))
    for model in ("m1", "m2", "m3", "m1"):
        serve(counter, Status.MISS, model=model)
    await counter.drain(seconds=1)
    assert {account.model: saved.requests for account, saved in (await sums(store)).items()} == {"m1": 2, "m2": 1}


@pytest.mark.parametrize(("window", "days"), [(None, 3), (0.0, 1), (86_400.0, 2), (1e12, 3)])
async def test_a_window_counts_every_day_that_it_touches(window: float | None, days: int) -> None:
    store, clock = Bank(), Clock(NOON)
    counter = SavingsCounter(store, clock=clock)
    for _ in range(3):
        serve(counter, Status.MISS)
        clock.advance(86_400)
    clock.advance(-86_400)
    found = await SavingsReport(store, counter, clock=clock).of("acme", window_seconds=window)
    assert len(found) == days


def test_metrics_have_a_bounded_number_of_models() -> None:
    for number in range(200):
        telemetry.saved(f"bounded-{number}", 1, 0.0, 0.0)
    assert len(telemetry._by_model) <= 50
