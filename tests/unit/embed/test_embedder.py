"""Requests are checked, exact texts are kept, and what is refused says why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from synapse_embed.batcher import BatchLimits, batching
from synapse_embed.embedder import Embedder, Limits
from synapse_embed.errors import BadRequest, TextTooLong, TooSlow, UnknownModel
from synapse_embed.kept import KeptVectors
from synapse_embed.model import Vector
from tests.unit.embed.instruments import HeldModel, alone

LONG = "long " * 300


@pytest.fixture
def model() -> Iterator[HeldModel]:
    model = HeldModel()
    yield model
    model.release()


@asynccontextmanager
async def embedding(model: HeldModel, limits: Limits | None = None) -> AsyncIterator[Embedder]:
    async with batching(model, BatchLimits(workers=1)) as batcher:
        yield Embedder(batcher, limits or Limits())


def computed(model: HeldModel) -> int:
    return sum(map(len, model.batches))


async def test_each_text_gets_its_vector_and_its_tokens(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        embedded = await embedder.embed(["one two", "three"])
    assert [vector.values for vector in embedded.vectors] == [alone("one two"), alone("three")]
    assert [vector.token_count for vector in embedded.vectors] == [3, 2]
    assert embedded.token_count == 5


async def test_the_same_text_is_computed_once(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        first = await embedder.embed(["a", "b", "a"])
        second = await embedder.embed(["b"])
    assert computed(model) == 2
    assert first.vectors[0] == first.vectors[2]
    assert second.vectors[0] == first.vectors[1]
    assert (first.known_count, second.known_count) == (0, 1)


async def test_texts_that_differ_in_a_space_are_computed_apart(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        await embedder.embed(["a"])
        await embedder.embed(["a "])
    assert computed(model) == 2


async def test_nothing_is_kept_when_told_so(model: HeldModel) -> None:
    async with embedding(model, Limits(kept_vectors=0)) as embedder:
        await embedder.embed(["a"])
        await embedder.embed(["a"])
    assert computed(model) == 2


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], "INPUTS_MISSING"),
        (["a", ""], "TEXT_EMPTY"),
        (["a"] * 4, "TOO_MANY_INPUTS"),
        (["x" * 2001], "TEXT_TOO_LONG"),
    ],
)
async def test_wrong_inputs_are_refused_by_name(model: HeldModel, texts: list[str], reason: str) -> None:
    async with embedding(model, Limits(max_inputs=3, max_text_chars=2000)) as embedder:
        with pytest.raises(BadRequest) as refused:
            await embedder.embed(texts)
    assert refused.value.reason == reason
    assert model.batches == []


async def test_an_unknown_model_is_refused(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        with pytest.raises(UnknownModel, match="text-embedding-3-small"):
            await embedder.embed(["a"], model="text-embedding-3-small")


async def test_the_models_own_dimension_may_be_asked_for_and_no_other(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        await embedder.embed(["a"], dimensions=384)
        with pytest.raises(BadRequest) as refused:
            await embedder.embed(["a"], dimensions=256)
    assert refused.value.reason == "DIMENSIONS_UNSUPPORTED"


async def test_a_long_text_is_cut_and_says_so(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        short, cut = (await embedder.embed(["short", LONG])).vectors
    assert (short.truncated, cut.truncated) == (False, True)
    assert cut.token_count == embedder.card.max_tokens


async def test_a_long_text_is_refused_by_its_place_in_the_request(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        await embedder.embed(["a"])
        with pytest.raises(TextTooLong) as refused:
            await embedder.embed(["a", "b", LONG], truncate=False)
    assert refused.value.index == 2


async def test_a_kept_vector_of_a_cut_text_is_refused_too(model: HeldModel) -> None:
    async with embedding(model) as embedder:
        await embedder.embed([LONG], truncate=True)
        with pytest.raises(TextTooLong):
            await embedder.embed([LONG], truncate=False)


async def test_the_service_decides_where_the_request_is_silent(model: HeldModel) -> None:
    async with embedding(model, Limits(truncate=False)) as embedder:
        with pytest.raises(TextTooLong):
            await embedder.embed([LONG])
        assert (await embedder.embed([LONG], truncate=True)).vectors[0].truncated


async def test_a_model_that_does_not_answer_is_too_slow(model: HeldModel) -> None:
    async with embedding(model, Limits(timeout_seconds=0.05)) as embedder:
        model.hold()
        with pytest.raises(TooSlow):
            await embedder.embed(["a"])
        with pytest.raises(TooSlow):
            await embedder.warm_up()
        model.release()


def test_the_vector_unused_for_longest_makes_room() -> None:
    kept = KeptVectors(2)
    for text in ("a", "b"):
        kept.keep(text, Vector(text.encode(), 1, truncated=False))
    assert kept.get("a")
    kept.keep("c", Vector(b"c", 1, truncated=False))
    assert (kept.get("a"), kept.get("b"), len(kept)) == (Vector(b"a", 1, truncated=False), None, 2)
