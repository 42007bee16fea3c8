"""Nothing crosses a tenant, a namespace, an epoch, a scope or a vector space, even where a store hands it out."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.questions import question_of
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.model import Entry, Match, Place, Policy, Status, Tier
from synapse_cache.overlay import match_of
from tests.support.cache_world import RULES, CacheWorld, Together, a_request, cache_world
from tests.support.request_space import changes, conversations

FRANCE = "What is the capital of France?"
REWORDED = "what's the capital of France?"


class LeakyVectors(MemoryVectorStore):
    """A vector store that lost its filters: every entry that is near enough, of whatever place and scope."""

    async def search(self, vector: np.ndarray, *, limit: int, min_similarity: float, **_where: object) -> list[Match]:
        found = []
        for spot in self._spots.values():
            for entry, stored in spot.values():
                similarity = float(stored @ vector)
                if similarity >= min_similarity:
                    found.append(match_of(entry, similarity))
        return found[:limit]

    async def fetch(self, _tenant: str, entry_id: str) -> Entry | None:
        return next((entry for (_, id_), entry in self._entries.items() if id_ == entry_id), None)


class LeakyKeys(MemoryExactStore):
    """An exact store that mixes everybody's keys up."""

    async def get(self, place: Place, key: str, *, stale: bool = False) -> tuple[Entry | None, int]:
        entry, epoch = await super().get(place, key, stale=stale)
        leaked = next((kept for (_, _, kept_key), kept in self._entries.items() if kept_key == key), None)
        return entry or leaked, epoch


def leaky() -> Together:
    """Stores that keep nothing apart."""
    stores = Together(vectors=LeakyVectors())
    stores.exact = LeakyKeys(clock=stores.clock)
    return stores


def told(text: str, *, history: str = "I live in Paris.") -> GenerationRequest:
    """The last turn of a chat."""
    request = GenerationRequest(model="m")
    request.messages.add(role="user", text=history)
    request.messages.add(role="assistant", text="Noted.")
    request.messages.add(role="user", text=text)
    return request


async def an_entry(world: CacheWorld) -> Entry:
    """What the cache stored of the question about France."""
    await world.ask(FRANCE)
    await world.settled()
    entry, _ = await world.stores.exact.get(Place("acme"), question_of(a_request(FRANCE), RULES).key)
    assert entry is not None
    return entry


async def test_leaky_stores_serve_the_place_that_an_entry_is_of() -> None:
    """Or the tests below could not fail."""
    async with cache_world(together=leaky()) as world:
        await an_entry(world)
        outcomes = [(await world.ask(text)).outcome for text in (REWORDED, FRANCE)]
    assert [outcome.tier for outcome in outcomes] == [Tier.L2, Tier.L1]


@pytest.mark.parametrize("text", [FRANCE, REWORDED])
@pytest.mark.parametrize("place", [{"tenant": "globex"}, {"namespace": "drafts"}])
async def test_an_entry_of_another_place_is_not_served_whatever_a_store_hands_out(
    text: str, place: dict[str, str]
) -> None:
    async with cache_world(together=leaky()) as world:
        await an_entry(world)
        outcome = (await world.ask(text, **place)).outcome
    assert outcome.status is Status.MISS
    assert world.upstream.calls == 2


@pytest.mark.parametrize("text", [FRANCE, REWORDED])
async def test_an_entry_of_a_flushed_epoch_is_not_served_whatever_a_store_hands_out(text: str) -> None:
    together = leaky()
    async with cache_world(together=together) as world:
        entry = await an_entry(world)
        await world.invalidation.flush(Place("acme"))
        await together.exact.put(entry)
        assert (await world.ask(text)).outcome.status is Status.MISS


async def test_an_entry_of_another_history_is_not_served_whatever_a_store_hands_out() -> None:
    async with cache_world(together=leaky()) as world:
        await world.ask(told("Where do I live?"))
        await world.settled()
        other = await world.ask(told("Tell me where I live", history="I live in Rome."))
    assert other.outcome.status is Status.MISS


async def test_an_entry_of_another_scope_under_the_exact_key_is_no_alias() -> None:
    async with cache_world() as world:
        entry = await an_entry(world)
        question = question_of(told(FRANCE), RULES)
        await world.stores.exact.put(entry, alias_keys=[question.key])
        assert (await world.ask(told(FRANCE))).outcome.status is Status.MISS


async def test_an_exact_only_question_takes_no_alias() -> None:
    async with cache_world() as world:
        entry = await an_entry(world)
        question = question_of(a_request("Mail ann@example.com the capital of France"), RULES)
        await world.stores.exact.put(entry, alias_keys=[question.key])
        assert (await world.ask("Mail ann@example.com the capital of France")).outcome.status is Status.MISS


async def test_vectors_of_another_embedder_never_meet() -> None:
    async with cache_world() as world:
        await an_entry(world)
        world.embedder.space = "another-model-384"
        first = await world.ask(REWORDED, policy=Policy(no_store=True))
        await world.stores.vectors.open()
        second = await world.ask("Name the capital of France")
    assert first.outcome.status is Status.MISS
    assert second.outcome.status is Status.MISS


async def test_a_text_beyond_the_embedders_window_is_exact_only() -> None:
    """Two texts that differ behind the window have one vector."""
    long = "word " * 600
    async with cache_world() as world:
        first = await world.ask(f"{long} What is the capital of France?")
        other = await world.ask(f"{long} What is the capital of Spain?")
        again = await world.ask(f"{long} What is the capital of France?")
    assert (first.outcome.reason, other.outcome.reason) == ("truncated", "truncated")
    assert (again.outcome.tier, again.outcome.reason) == (Tier.L1, "exact")


async def test_a_flush_leaves_nothing_to_any_wording() -> None:
    async with cache_world() as world:
        await an_entry(world)
        await world.invalidation.flush(Place("acme"))
        outcomes = [(await world.ask(text)).outcome for text in (FRANCE, REWORDED)]
    assert outcomes[0].status is Status.MISS


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(conversations())
def test_no_change_of_history_or_settings_is_answered_from_the_cache(request: GenerationRequest) -> None:
    async def ask_all() -> None:
        async with cache_world() as world:
            await world.ask(request)
            kept = question_of(request, RULES)
            for index, (path, _) in enumerate(changes(request)):
                other = GenerationRequest()
                other.CopyFrom(request)
                list(changes(other))[index][1]()
                question = question_of(other, RULES)
                if question.key == kept.key or question.scope == kept.scope:
                    continue
                found = await world.lookup.find(question, Place("acme"), Policy())
                assert not getattr(found.result, "entry", None), path

    asyncio.run(ask_all())
