"""A backend of the OpenAI embeddings API behind the service: form, order, cuts, errors."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from synapse_embed.errors import (
    BackendMisfit,
    BadRequest,
    EmbedError,
    EncoderDown,
    EncoderFailed,
    ModelChanged,
    Overloaded,
    TextTooLong,
    TooSlow,
)
from synapse_embed.ports import Backend
from tests.contract.embed.remotes import WINDOW, backend_of, settings
from tests.contract.embed.test_encoders import matrix
from tests.support import minilm_texts
from tests.support.openai_embeddings import EmbeddingsDouble, embeddings_double

TEXTS = ["What is the capital of France?", "a", "one two three"]
LONG = "cat " * 300
MAYBE = "internationalisation " * 30
"""More bytes than the window has tokens, but fewer tokens."""
TOKENIZER = {"tokenizer": str(minilm_texts.tokenizer())}


@asynccontextmanager
async def behind(
    double: EmbeddingsDouble, section: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Backend]:
    named = {"endpoint": double.url, "model": "all-minilm", "max_tokens": WINDOW, **(section or {})}
    async with backend_of(settings("openai", named, **more)) as backend:
        yield backend


@pytest.fixture
async def double() -> AsyncIterator[EmbeddingsDouble]:
    async with embeddings_double() as double:
        yield double


@pytest.mark.parametrize("form", ["float", "base64"])
@pytest.mark.parametrize("backwards", [False, True])
async def test_vectors_come_by_their_index_in_either_form(double: EmbeddingsDouble, form: str, backwards: bool) -> None:  # noqa: FBT001
    double.served.backwards = backwards
    async with behind(double, {"encoding_format": form}) as backend:
        vectors = await backend.embed(TEXTS, truncate=True)
    expected = np.stack([minilm_texts.read(text).vector for text in TEXTS])
    np.testing.assert_allclose(matrix(vectors), expected, rtol=0, atol=1e-6)
    assert double.requests[-1].body["encoding_format"] == form


async def test_vectors_that_are_not_of_length_one_are_made_so(double: EmbeddingsDouble) -> None:
    double.served.length = 17.0
    async with behind(double) as backend:
        (vector,) = await backend.embed(["a"], truncate=True)
    assert np.linalg.norm(np.frombuffer(vector.values, np.float32)) == pytest.approx(1.0)


async def test_key_headers_dimensions_and_extra_members_are_sent(double: EmbeddingsDouble) -> None:
    double.served.members.add("input_type")
    more = {"api_key": "sk-1", "headers": {"x-team": "t"}, "dimensions": 128, "extra": {"input_type": "query"}}
    async with behind(double, more) as backend:
        card = await backend.describe()
    (request,) = double.requests
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer sk-1", "t")
    assert (request.body["dimensions"], request.body["input_type"], card.dimension) == (128, "query", 128)
    assert card.fingerprint.endswith('options={"input_type":"query"}')


async def test_no_member_is_sent_that_was_not_asked_for(double: EmbeddingsDouble) -> None:
    async with behind(double) as backend:
        await backend.describe()
    assert double.requests[0].body.keys() == {"model", "input", "encoding_format"}


async def test_a_backend_that_ignores_dimensions_is_a_misfit(double: EmbeddingsDouble) -> None:
    double.served.data = [{"index": 0, "embedding": [1.0] * 384}]
    async with behind(double, {"dimensions": 128}) as backend:
        with pytest.raises(BackendMisfit, match="dimensions is 128, but all-minilm sends 384"):
            await backend.describe()


async def test_the_name_that_answers_tell_is_part_of_the_revision(double: EmbeddingsDouble) -> None:
    double.served.told_model = "all-minilm-2026"
    async with behind(double, {"revision": "r1"}) as backend:
        card = await backend.describe()
        assert (card.id, card.revision) == ("all-minilm", "r1/all-minilm-2026")
        double.served.told_model = "all-minilm-2027"
        with pytest.raises(ModelChanged):
            await backend.embed(["a"], truncate=True)


async def test_texts_that_certainly_fit_go_together_and_others_alone(double: EmbeddingsDouble) -> None:
    async with behind(double) as backend:
        vectors = await backend.embed(["a", LONG, "b", MAYBE], truncate=True)
    assert sorted(double.asked) == sorted([["a", "b"], [LONG], [MAYBE]])
    assert [vector.truncated for vector in vectors] == [False, True, False, False]
    assert vectors[3].token_count == minilm_texts.read(MAYBE).tokens


async def test_a_silent_cut_is_refused_where_nothing_may_be_cut(double: EmbeddingsDouble) -> None:
    async with behind(double) as backend:
        with pytest.raises(TextTooLong) as refused:
            await backend.embed(["a", LONG], truncate=False)
        assert refused.value.index == 1
        assert len(await backend.embed(["a", MAYBE], truncate=False)) == 2


async def test_without_usage_what_may_be_too_long_counts_as_cut(double: EmbeddingsDouble) -> None:
    double.served.usage = False
    async with behind(double) as backend:
        vectors = await backend.embed(["a", MAYBE, LONG], truncate=True)
    assert [vector.truncated for vector in vectors] == [False, True, True]


async def test_a_backend_that_refuses_long_texts_needs_the_tokenizer_to_cut(double: EmbeddingsDouble) -> None:
    double.served.long = "refuse"
    async with behind(double) as backend:
        with pytest.raises(TextTooLong, match=r"embed\.openai\.tokenizer is not set") as refused:
            await backend.embed(["a", LONG], truncate=True)
    assert refused.value.index == 1
    async with behind(double, TOKENIZER) as backend:
        vectors = await backend.embed(["a", LONG], truncate=True)
        assert [(one.truncated, one.token_count) for one in vectors] == [(False, 3), (True, WINDOW)]
        with pytest.raises(TextTooLong):
            await backend.embed([LONG], truncate=False)


@pytest.mark.parametrize("long", ["long " * 400, "supercalifragilistic " * 400, "日本語のテキスト。" * 200])
async def test_what_the_tokenizer_cut_fits_the_window(double: EmbeddingsDouble, long: str) -> None:
    double.served.long = "refuse"
    async with behind(double, TOKENIZER) as backend:
        (vector,) = await backend.embed([long], truncate=True)
    assert vector.truncated
    assert vector.token_count <= WINDOW
    (sent,) = double.asked[-1]
    assert long.startswith(sent)


FAULTS: list[tuple[int, type[EmbedError]]] = [
    (400, BadRequest),
    (401, BackendMisfit),
    (403, BackendMisfit),
    (404, BackendMisfit),
    (408, TooSlow),
    (422, BadRequest),
    (429, Overloaded),
    (500, EncoderDown),
    (503, EncoderDown),
    (504, TooSlow),
    (418, EncoderFailed),
]


@pytest.mark.parametrize(("status", "kind"), FAULTS)
async def test_a_status_is_told_as_what_it_means(double: EmbeddingsDouble, status: int, kind: type[EmbedError]) -> None:
    double.behaviour.status = status
    async with behind(double) as backend:
        with pytest.raises(kind, match="out of order"):
            await backend.embed(["a"], truncate=True)


async def test_retry_after_passes_on(double: EmbeddingsDouble) -> None:
    double.behaviour.status = 429
    double.behaviour.headers["retry-after"] = "7"
    async with behind(double) as backend:
        with pytest.raises(Overloaded) as busy:
            await backend.embed(["a"], truncate=True)
    assert busy.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    "error",
    [
        b'{"error": "input is too long"}',
        b'{"object": "error", "message": "This model\'s maximum context length is 256 tokens", "code": 400}',
        b'{"error": {"message": "the input length exceeds the context length", "code": null}}',
    ],
)
async def test_too_long_is_read_out_of_many_forms(double: EmbeddingsDouble, error: bytes) -> None:
    async with behind(double) as backend:
        double.behaviour.status, double.behaviour.body = 400, error
        with pytest.raises(TextTooLong):
            await backend.embed(["a"], truncate=True)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 1, "embedding": [0.1]}],
        [{"index": 0, "embedding": [0.1]}, {"index": 0, "embedding": [0.1]}, {"index": 1, "embedding": [0.1]}],
        [{"index": 0}],
        [{"index": 0, "embedding": "!!"}],
        [{"index": 0, "embedding": "AAA="}],
        [{"index": 0, "embedding": []}],
        [{"index": 0, "embedding": [0.0, 0.0]}],
        [{"index": 0, "embedding": [[0.1]]}],
        [{"index": 0, "embedding": ["a"]}],
        [{"index": 0, "embedding": [None]}],
        [None],
    ],
)
async def test_what_is_no_embedding_is_not_used(double: EmbeddingsDouble, data: list[Any]) -> None:
    double.served.data = data
    async with behind(double) as backend:
        with pytest.raises(EncoderFailed):
            await backend.embed(["a"], truncate=True)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"data": 7}', b'{"data": {"index": 0}}', b"\xff"])
async def test_garbage_is_not_used(double: EmbeddingsDouble, body: bytes) -> None:
    double.behaviour.body = body
    async with behind(double) as backend:
        with pytest.raises(EncoderFailed):
            await backend.embed(["a"], truncate=True)


async def test_a_slow_answer_ends_with_the_call(double: EmbeddingsDouble) -> None:
    double.behaviour.head_delay_seconds = 5
    async with behind(double, call_seconds=0.2) as backend, asyncio.timeout(2):
        with pytest.raises(TooSlow):
            await backend.embed(["a"], truncate=True)


async def test_nobody_there_is_down() -> None:
    async with embeddings_double() as double:
        pass
    async with behind(double) as backend:
        with pytest.raises(EncoderDown, match="cannot be reached"):
            await backend.describe()


def test_a_wrong_number_has_no_direction() -> None:
    from synapse_embed.adapters.vectors import vector

    for values in ([math.nan, 1.0], [math.inf], [0.0], []):
        with pytest.raises(EncoderFailed):
            vector(values, tokens=1, truncated=False)
