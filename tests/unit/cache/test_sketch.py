"""Sketches of vectors keep the order of likeness, and requests like one are found by them."""

from __future__ import annotations

import numpy as np
import pytest

from synapse_cache.adapters.log_memory import MemoryRequestLog
from synapse_cache.analytics.logbook import Logbook
from synapse_cache.analytics.request_log import Logged, RequestLogger
from synapse_cache.analytics.sketch import likeness, sketch_of
from synapse_cache.model import Embedding
from synapse_cache.thresholds.thresholds import FixedThresholds, Thresholds
from tests.support.logged import a_miss, an_exact_hit


def a_vector(*parts: float, space: str = "s") -> Embedding:
    vector = np.array(parts, np.float32)
    return Embedding(vector / max(float(np.linalg.norm(vector)), 1e-9), space)


def test_a_sketch_keeps_cosines_within_a_hundredth() -> None:
    vectors = np.random.default_rng(7).normal(size=(50, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sketches = [sketch_of(Embedding(vector, "s")) for vector in vectors]
    assert likeness(sketches[0], sketches) == pytest.approx((vectors @ vectors[0]).tolist(), abs=0.01)
    assert len(sketches[0]) == 388


def test_vectors_of_another_space_are_like_nothing() -> None:
    asked, others = sketch_of(a_vector(1, 0)), [sketch_of(a_vector(1, 0, space="t")), sketch_of(a_vector(1, 0, 0)), b""]
    assert likeness(asked, others) == [-1, -1, -1]


def test_a_vector_of_zeros_is_like_nothing_much() -> None:
    assert likeness(sketch_of(a_vector(0, 0)), [sketch_of(a_vector(1, 0))]) == [0]


async def a_logbook(*records: Logged) -> Logbook:
    store = MemoryRequestLog(most=1_000, seconds=3600, clock=lambda: 1_000_000.0)
    await store.append(records, batch_id="b1")
    return Logbook(store, RequestLogger(store, FixedThresholds(Thresholds())))


def asked(request_id: str, *parts: float) -> Logged:
    return a_miss(id=request_id, key=request_id * 64, sketch=sketch_of(a_vector(*parts)))


async def test_requests_like_one_come_most_similar_first() -> None:
    book = await a_logbook(asked("1", 1, 0), asked("2", 0, 1), asked("3", 3, 1), a_miss(id="4", key="4" * 64))
    found = await book.like("acme", "1", limit=2)
    assert found is not None
    assert [one.id for one, _ in found] == ["3", "2"]
    assert [cosine for _, cosine in found] == pytest.approx([0.949, 0], abs=0.01)


async def test_of_equal_questions_the_newest_stands_for_all() -> None:
    again = an_exact_hit(id="5", key="2" * 64)
    book = await a_logbook(asked("1", 1, 0), asked("2", 1, 1), again)
    found = await book.like("acme", "1", limit=10)
    assert found is not None
    assert [one.id for one, _ in found] == ["5"]


async def test_an_exact_hit_borrows_the_vector_of_its_first_asking() -> None:
    book = await a_logbook(asked("1", 1, 0), asked("2", 1, 1), an_exact_hit(id="5", key="1" * 64))
    found = await book.like("acme", "5", limit=10)
    assert found is not None
    assert [one.id for one, _ in found] == ["2"]


async def test_without_a_vector_nothing_is_like_it() -> None:
    book = await a_logbook(asked("1", 1, 0), a_miss(id="4", key="4" * 64))
    assert await book.like("acme", "4", limit=10) == []
    assert await book.like("acme", "9", limit=10) is None
