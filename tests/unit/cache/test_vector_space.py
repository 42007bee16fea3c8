"""The space of the embedder in use: vectors of another one never reach its store."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from synapse_cache.adapters.answers import answer_of
from synapse_cache.adapters.questions import question_of
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.model import Embedding, Place, Policy
from synapse_cache.ports import StoreUnavailable
from synapse_cache.vector_space import VectorSpace
from synapse_runtime.background import background
from tests.support.cache_world import RULES, a_generation, a_request, cache_world
from tests.support.entries import an_entry

HERE = Place("acme", "default", 1)
ANY = {"place": HERE, "scope": an_entry().scope, "limit": 4, "min_similarity": -1.0, "now": 0.0}


class SwappedEmbedder:
    """An embedder whose model can be replaced by another one of the same dimension."""

    def __init__(self) -> None:
        self.model = "first"

    async def embed(self, text: str) -> Embedding:
        return Embedding(np.array([1.0, len(text)], np.float32), self.model)

    async def describe(self) -> tuple[str, int]:
        return self.model, 2


@pytest.fixture
def stores() -> dict[str, MemoryVectorStore]:
    return {}


async def opened(embedder: SwappedEmbedder, stores: dict[str, MemoryVectorStore]) -> VectorSpace:
    async def store_of(fingerprint: str, _dimension: int) -> MemoryVectorStore:
        return stores.setdefault(fingerprint, MemoryVectorStore())

    space = VectorSpace(embedder, store_of)
    await space.open()
    return space


async def test_a_vector_of_another_space_is_neither_searched_nor_stored(stores: dict[str, MemoryVectorStore]) -> None:
    embedder = SwappedEmbedder()
    space = await opened(embedder, stores)
    old = await space.embed("text")
    embedder.model = "second"
    await space.open()
    for refused in (space.search(old, **ANY), space.insert([(an_entry(), old)])):
        with pytest.raises(StoreUnavailable):
            await refused
    assert await stores["second"].count() == 0


async def test_a_swapped_model_opens_its_own_store_and_swapped_back_the_old_one(
    stores: dict[str, MemoryVectorStore],
) -> None:
    embedder = SwappedEmbedder()
    space = await opened(embedder, stores)
    await space.insert([(an_entry(), await space.embed("text"))])
    async with background(space=space.run):
        for model, count in (("second", 0), ("first", 1)):
            embedder.model = model
            with pytest.raises(StoreUnavailable):
                await space.embed("text")
            async with asyncio.timeout(5):
                while space.fingerprint != model:  # noqa: ASYNC110  # it tells nobody
                    await asyncio.sleep(0.01)
            assert await space.count() == count


async def test_what_was_embedded_before_a_swap_is_embedded_anew_before_it_is_stored() -> None:
    async with cache_world() as world:
        question = question_of(a_request(), RULES)
        old = await world.stores.embedder.embed(question.prompt or "")
        world.embedder.space = "another model"
        await world.stores.vectors.open()
        await world.writer.accept(question, answer_of(a_generation()), HERE, Policy(), embedding=old)
        await world.settled()
        assert await world.stores.vectors.count() == 1
        entry = world.recent.get(HERE, question.key, now=0.0)
        assert entry is not None
        kept = world.recent.embedding_of(entry)
        assert kept is not None
        assert kept.fingerprint == "another model"
