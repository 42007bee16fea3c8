"""llama.cpp, a real backend of the OpenAI embeddings API, behind the service."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from synapse_embed.errors import TextTooLong
from synapse_runtime import errors
from synapse_runtime.settings import SettingsError
from tests.contract.embed.client import service
from tests.contract.embed.remotes import encoder_of, settings
from tests.contract.embed.test_encoders import matrix
from tests.support.llama_embeddings import DIMENSION, WINDOW, llama_embeddings

__all__ = ["llama_embeddings"]
TEXTS = ["What is the capital of France?", "Which city is France's capital?", "My card was declined.", "日本語 🙂"]
LONG = "cat " * 2 * WINDOW


def section(url: str, **more: Any) -> dict[str, Any]:
    return {"endpoint": url, "model": "smollm2", "max_tokens": WINDOW, **more}


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_vectors_come_in_their_order_and_of_length_one(llama_embeddings: str, form: str) -> None:
    async with encoder_of(
        settings("openai", section(llama_embeddings, encoding_format=form), call_seconds=30)
    ) as encoder:
        assert encoder.card.dimension == DIMENSION
        together = matrix(await encoder.encode(TEXTS, truncate=True))
        alone = matrix([(await encoder.encode([text], truncate=True))[0] for text in TEXTS])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)
    assert (together * alone).sum(axis=1).min() > 0.9999


async def test_a_text_too_long_is_told_by_its_place_and_opens_no_breaker(llama_embeddings: str) -> None:
    async with encoder_of(settings("openai", section(llama_embeddings), call_seconds=30)) as encoder:
        for _ in range(6):
            with pytest.raises(TextTooLong) as refused:
                await encoder.encode(["a", LONG, "b"], truncate=True)
            assert refused.value.index == 1
        assert len(await encoder.encode(["a", "b"], truncate=True)) == 2


async def test_requests_at_once_are_all_answered(llama_embeddings: str) -> None:
    async with service(
        provider="openai", openai=section(llama_embeddings), dimension=DIMENSION, call_seconds=30
    ) as client:
        asked = [[f"{text} {i}" for text in TEXTS] for i in range(6)]
        answers = await asyncio.gather(*(client.embed(*texts) for texts in asked))
        assert [len(answer.embeddings) for answer in answers] == [4] * 6
        assert all(answer.token_count > 20 for answer in answers)
        with pytest.raises(errors.InvalidArgument, match="tokenizer is not set"):
            await client.embed(LONG)


async def test_another_dimension_than_the_settings_ends_the_start(llama_embeddings: str) -> None:
    with pytest.raises(SettingsError, match=r"embed\.dimension is 384, but the vectors of smollm2 have 576"):
        async with service(provider="openai", openai=section(llama_embeddings), dimension=384):
            pass
