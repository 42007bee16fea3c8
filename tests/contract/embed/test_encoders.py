"""What every encoder keeps, whatever computes behind it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from synapse_embed.errors import TextTooLong
from synapse_embed.model import Vector
from synapse_embed.ports import Encoder

TEXTS = [
    "What is the capital of France?",
    "How do I sort a list of words in Rust, please?",
    " ",
    "a",
    "日本語のテキストです。",
    "🙂 emoji, ÄÖÜ and (punctuation)!",
    "SELECT name FROM users WHERE id = 42;\n" * 5,
    "tell me more about it " * 30,
]
TOLERANCE = 1e-6


def matrix(vectors: list[Vector]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(vector.values, np.float32) for vector in vectors])


async def test_vectors_are_of_the_cards_dimension_and_of_length_one(encoder: Encoder) -> None:
    vectors = matrix(await encoder.encode(TEXTS, truncate=True))
    assert vectors.shape == (len(TEXTS), encoder.card.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=TOLERANCE)


async def test_a_vector_does_not_depend_on_its_neighbours(encoder: Encoder) -> None:
    together = matrix(await encoder.encode(TEXTS * 4, truncate=True))
    alone = [(await encoder.encode([text], truncate=True))[0] for text in TEXTS]
    np.testing.assert_allclose(together, np.tile(matrix(alone), (4, 1)), rtol=0, atol=TOLERANCE)


async def test_requests_at_once_get_what_they_get_alone(encoder: Encoder) -> None:
    alone = matrix([(await encoder.encode([text], truncate=True))[0] for text in TEXTS])
    results = await asyncio.gather(*(encoder.encode([text], truncate=True) for text in TEXTS * 8))
    at_once = matrix([result[0] for result in results])
    np.testing.assert_allclose(at_once, np.tile(alone, (8, 1)), rtol=0, atol=TOLERANCE)


async def test_different_texts_have_different_vectors(encoder: Encoder) -> None:
    vectors = matrix(await encoder.encode(["a cat", "the weather in Rome", "7 + 5"], truncate=True))
    assert np.triu(vectors @ vectors.T, 1).max() < 0.9


async def test_a_text_is_cut_at_the_window_and_told(encoder: Encoder) -> None:
    window = encoder.card.max_tokens
    fits, cut, longer = await encoder.encode(["fits well", "cat " * window, "cat " * 50_000], truncate=True)
    assert (fits.truncated, cut.truncated, longer.truncated) == (False, True, True)
    assert fits.token_count < window
    assert cut.token_count == longer.token_count == window
    np.testing.assert_allclose(matrix([cut]), matrix([longer]), rtol=0, atol=TOLERANCE)


async def test_a_text_that_must_not_be_cut_is_refused(encoder: Encoder) -> None:
    with pytest.raises(TextTooLong) as refused:
        await encoder.encode(["short", "cat " * 300], truncate=False)
    assert refused.value.index == 1
    assert len(await encoder.encode(["short"], truncate=False)) == 1


async def test_no_texts_have_no_vectors(encoder: Encoder) -> None:
    assert await encoder.encode([], truncate=True) == []
