"""A request to a backend goes in batches, a bounded number at a time, and no answer of another model is used."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from synapse_embed.errors import EncoderDown, EncoderFailed, ModelChanged, Overloaded, TextTooLong
from synapse_embed.remote import RemoteEncoder, RemoteLimits
from tests.unit.embed.backends import HeldBackend
from tests.unit.embed.instruments import alone


def over(backend: HeldBackend, **limits: Any) -> RemoteEncoder:
    return RemoteEncoder(backend, backend.card, RemoteLimits(**limits), doubts=backend.doubts)


async def test_a_request_goes_in_batches_of_the_smaller_limit_and_comes_back_in_order() -> None:
    backend = HeldBackend(batch_texts=4)
    texts = [f"text {i}" for i in range(10)]
    vectors = await over(backend, batch_texts=3).encode(texts, truncate=True)
    assert [vector.values for vector in vectors] == [alone(text) for text in texts]
    assert sorted(map(len, backend.batches)) == [1, 3, 3, 3]


async def test_only_so_many_calls_are_under_way() -> None:
    backend = HeldBackend(batch_texts=1)
    backend.go.clear()
    encoder = over(backend, calls=2)
    requests = [asyncio.create_task(encoder.encode(["a", "b", "c"], truncate=True)) for _ in range(3)]
    await asyncio.sleep(0.02)
    assert backend.at_once == 2
    backend.go.set()
    await asyncio.gather(*requests)
    assert backend.most_at_once == 2


async def test_a_full_queue_refuses_and_recovers() -> None:
    backend = HeldBackend()
    backend.go.clear()
    encoder = over(backend, queue_texts=3)
    waiting = asyncio.create_task(encoder.encode(["a", "b"], truncate=True))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await encoder.encode(["c", "d"], truncate=True)
    assert refused.value.retry_after_seconds > 0
    backend.go.set()
    await waiting
    assert len(await encoder.encode(["c", "d"], truncate=True)) == 2


async def test_a_caller_who_leaves_makes_room() -> None:
    backend = HeldBackend(batch_texts=1)
    backend.go.clear()
    encoder = over(backend, queue_texts=2, calls=1)
    left = asyncio.create_task(encoder.encode(["a", "b"], truncate=True))
    await asyncio.sleep(0.01)
    left.cancel()
    await asyncio.wait([left])
    backend.go.set()
    assert len(await encoder.encode(["c", "d"], truncate=True)) == 2
    assert ["b"] not in backend.batches


async def test_the_prefix_stands_before_every_text() -> None:
    backend = HeldBackend()
    backend.card = replace(backend.card, prefix="query: ")
    await over(backend).encode(["cats", "dogs"], truncate=True)
    assert backend.batches == [["query: cats", "query: dogs"]]


async def test_a_text_too_long_is_told_by_its_place_in_the_request() -> None:
    with pytest.raises(TextTooLong) as refused:
        await over(HeldBackend(batch_texts=2)).encode(["a", "b", "c", "long " * 300], truncate=False)
    assert refused.value.index == 3


async def test_a_failed_batch_fails_the_request_with_its_own_error() -> None:
    backend = HeldBackend(batch_texts=1)
    backend.error = EncoderDown("gone")
    with pytest.raises(EncoderDown, match="gone"):
        await over(backend).encode(["a", "b", "c"], truncate=True)


async def test_a_vector_of_another_dimension_is_refused() -> None:
    backend = HeldBackend()
    encoder = over(backend)
    backend.dimension = 383
    with pytest.raises(EncoderFailed, match="383 dimensions, not 384") as refused:
        await encoder.encode(["a"], truncate=True)
    assert refused.value.reason == "EMBED_DIMENSION_MISMATCH"


async def test_a_new_connection_to_the_same_model_changes_nothing() -> None:
    backend = HeldBackend()
    encoder = over(backend)
    backend.doubts += 1
    await encoder.encode(["a"], truncate=True)
    await encoder.encode(["b"], truncate=True)
    assert backend.descriptions == 1
    assert not encoder.changed.is_set()


async def test_no_vector_of_another_model_leaves() -> None:
    backend = HeldBackend()
    encoder = over(backend)
    backend.card = replace(backend.card, revision="2")
    backend.doubts += 1
    for _ in range(2):
        with pytest.raises(ModelChanged, match="revision=2"):
            await encoder.encode(["a"], truncate=True)
    assert encoder.changed.is_set()


async def test_an_answer_that_names_another_model_ends_the_generation() -> None:
    backend = HeldBackend()
    encoder = over(backend)
    backend.error = ModelChanged("one", "another")
    with pytest.raises(ModelChanged):
        await encoder.encode(["a"], truncate=True)
    backend.error = None
    with pytest.raises(ModelChanged):
        await encoder.encode(["a"], truncate=True)
