"""A model on Triton behind the service: its signature is read and checked, its errors are told as what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest

from synapse_embed.errors import (
    BackendMisfit,
    EmbedError,
    EncoderDown,
    EncoderFailed,
    ModelChanged,
    Overloaded,
    TextTooLong,
    TooSlow,
)
from synapse_embed.ports import Backend
from tests.contract.embed.remotes import WINDOW, backend_of, encoder_of, settings
from tests.contract.embed.test_encoders import matrix
from tests.support import minilm_texts
from tests.support.triton_double import TritonDouble, states_of, triton_double

TOKENIZER: dict[str, Any] = {"tokenizer": str(minilm_texts.tokenizer())}
TOKENS: dict[str, Any] = {"inputs": "tokens", **TOKENIZER}
LONG = "cat " * 300
Shapes = dict[str, tuple[str, list[int]]]


def section(double: TritonDouble, **more: Any) -> dict[str, Any]:
    return {"endpoint": double.target, "model": "minilm", "max_tokens": WINDOW, **more}


@asynccontextmanager
async def behind(double: TritonDouble, *, call_seconds: float = 5, **more: Any) -> AsyncIterator[Backend]:
    async with backend_of(settings("triton", section(double, **more), call_seconds=call_seconds)) as backend:
        yield backend


@pytest.fixture
async def double() -> AsyncIterator[TritonDouble]:
    async with triton_double() as double:
        yield double


async def test_the_server_tells_what_the_model_is(double: TritonDouble) -> None:
    async with behind(double, revision="r1", prefix="query: ") as backend:
        card = await backend.describe()
        assert backend.batch_texts == 16
    assert card.fingerprint == (
        "backend=triton;model=minilm;revision=r1/1;dimension=384;pooling=model;prefix=query: ;normalisation=l2;"
        "precision=fp32;options=output:embedding"
    )


async def test_a_request_goes_in_batches_that_the_model_takes(double: TritonDouble) -> None:
    double.served.max_batch_size = 4
    async with encoder_of(settings("triton", section(double, **TOKENIZER))) as encoder:
        texts = [f"text {i}" for i in range(10)]
        vectors = await encoder.encode(texts, truncate=True)
    expected = np.stack([minilm_texts.read(text).vector for text in texts])
    np.testing.assert_allclose(matrix(vectors), expected, rtol=0, atol=1e-6)
    assert sorted(double.batches[1:]) == [2, 4, 4]


@pytest.mark.parametrize(("shape", "size"), [([-1], 1 << 20), ([-1, 1], 1 << 20), ([1], 1), ([1, 1], 1)])
async def test_a_model_without_a_batch_axis_of_tritons_is_asked_in_its_own_form(
    double: TritonDouble, shape: list[int], size: int
) -> None:
    double.served.max_batch_size = 0
    double.served.inputs = {"text": ("BYTES", shape)}
    double.served.outputs = {"embedding": ("FP32", [-1, 384])}
    async with behind(double) as backend:
        await backend.describe()
        assert backend.batch_texts == size
    assert double.given[0]["text"].ndim == len(shape)


@pytest.mark.parametrize("datatype", ["INT64", "INT32"])
async def test_token_ids_are_padded_and_masked(double: TritonDouble, datatype: str) -> None:
    double.served.takes_tokens("token_type_ids", datatype=datatype)
    async with behind(double, **TOKENS) as backend:
        await backend.describe()
        vectors = await backend.embed(["a", "one two three"], truncate=True)
    given = double.given[-1]
    assert given["input_ids"].tolist() == [[101, 1037, 102, 0, 0], [101, 2028, 2048, 2093, 102]]
    assert given["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert not given["token_type_ids"].any()
    assert [vector.token_count for vector in vectors] == [3, 5]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_rows_of_tokens_are_pooled_here(double: TritonDouble, pooling: str) -> None:
    double.served.takes_tokens()
    double.served.outputs = {"last_hidden_state": ("FP32", [-1, 4])}
    double.served.states = True
    async with behind(double, pooling=pooling, **TOKENS) as backend:
        assert (await backend.describe()).pooling == pooling
        short, _ = await backend.embed(["a", "one two three"], truncate=True)
    states = states_of(np.array([[101, 1037, 102]]))[0]
    expected = states.mean(axis=0) if pooling == "mean" else states[0]
    np.testing.assert_allclose(matrix([short])[0], expected / np.linalg.norm(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("datatype", ["FP16", "FP64"])
async def test_other_datatypes_become_float32(double: TritonDouble, datatype: str) -> None:
    double.served.outputs = {"embedding": (datatype, [384])}
    async with behind(double, datatype=datatype) as backend:
        assert (await backend.describe()).precision == datatype.lower()
        vectors = matrix(await backend.embed(["a cat"], truncate=True))
    assert vectors[0] @ minilm_texts.read("a cat").vector > 0.9999


MISFITS: list[tuple[Shapes, Shapes, dict[str, Any], str]] = [
    ({"words": ("BYTES", [1])}, {}, {}, r"inputs are \['words'\], not \['text'\]"),
    ({"text": ("BYTES", [1]), "lang": ("BYTES", [1])}, {}, {}, "lang"),
    ({"text": ("INT64", [1])}, {}, {}, "input text is INT64, not BYTES"),
    ({"text": ("BYTES", [1])}, {}, TOKENS, r"not \['attention_mask', 'input_ids'\]"),
    ({}, {"embedding": ("FP16", [384])}, {}, "output embedding is FP16, but embed.triton.datatype FP32"),
    ({}, {"embedding": ("FP32", [-1, 384])}, {}, r"not \(texts, dimension\)"),
    ({}, {"a": ("FP32", [384]), "b": ("FP32", [384])}, {}, "name one in embed.triton.output"),
    ({}, {"a": ("FP32", [384])}, {"output": "b"}, r"outputs are \['a'\], not b"),
    ({}, {"embedding": ("FP32", [768])}, {}, "says that it has 768 dimensions and sends 384"),
]


@pytest.mark.parametrize(("inputs", "outputs", "more", "told"), MISFITS)
async def test_a_model_that_does_not_fit_says_how(
    double: TritonDouble, inputs: Shapes, outputs: Shapes, more: dict[str, Any], told: str
) -> None:
    double.served.inputs = inputs or double.served.inputs
    double.served.outputs = outputs or double.served.outputs
    async with behind(double, **more) as backend:
        with pytest.raises(BackendMisfit, match=told):
            await backend.describe()


async def test_an_optional_input_may_be_left_out(double: TritonDouble) -> None:
    double.served.inputs["lang"] = ("BYTES", [1])
    double.served.optional = {"lang"}
    async with behind(double) as backend:
        assert (await backend.describe()).dimension == 384
    assert double.given[0].keys() == {"text"}


async def test_a_dimension_that_the_model_leaves_open_is_found_by_asking(double: TritonDouble) -> None:
    double.served.outputs = {"embedding": ("FP32", [-1])}
    double.served.dimension = 128
    async with behind(double) as backend:
        assert (await backend.describe()).dimension == 128


async def test_without_the_tokenizer_what_may_be_too_long_counts_as_cut(double: TritonDouble) -> None:
    async with behind(double) as backend:
        await backend.describe()
        vectors = await backend.embed(["short", "word " * 60], truncate=True)
        assert [vector.truncated for vector in vectors] == [False, True]
        with pytest.raises(TextTooLong, match="tokenizer is not set"):
            await backend.embed(["short", "word " * 60], truncate=False)


async def test_with_the_tokenizer_texts_are_cut_before_they_are_sent(double: TritonDouble) -> None:
    async with behind(double, **TOKENIZER) as backend:
        await backend.describe()
        (vector,) = await backend.embed([LONG], truncate=True)
    assert (vector.truncated, vector.token_count) == (True, WINDOW)
    assert double.given[-1]["text"].item().decode() == LONG[: 4 * (WINDOW - 2) - 1]


FAULTS: list[tuple[grpc.StatusCode, str, type[EmbedError]]] = [
    (grpc.StatusCode.UNAVAILABLE, "shutting down", EncoderDown),
    (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", Overloaded),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", Overloaded),
    (grpc.StatusCode.DEADLINE_EXCEEDED, "late", TooSlow),
    (grpc.StatusCode.NOT_FOUND, "no such model", EncoderDown),
    (grpc.StatusCode.INVALID_ARGUMENT, "wrong shape", EncoderFailed),
    (grpc.StatusCode.INTERNAL, "python failed", EncoderFailed),
    (grpc.StatusCode.UNIMPLEMENTED, "no inference", BackendMisfit),
]


@pytest.mark.parametrize(("code", "message", "kind"), FAULTS)
async def test_a_status_is_told_as_what_it_means(
    double: TritonDouble, code: grpc.StatusCode, message: str, kind: type[EmbedError]
) -> None:
    async with behind(double) as backend:
        await backend.describe()
        double.served.code, double.served.message = code, message
        with pytest.raises(kind):
            await backend.embed(["a"], truncate=True)


async def test_a_model_that_is_not_loaded_yet_is_down_and_not_wrong(double: TritonDouble) -> None:
    double.served.ready = False
    async with behind(double) as backend:
        with pytest.raises(EncoderDown, match="has not loaded the model"):
            await backend.describe()
        double.served.ready = True
        assert (await backend.describe()).dimension == 384


async def test_another_version_that_answers_is_another_model(double: TritonDouble) -> None:
    async with behind(double) as backend:
        await backend.describe()
        double.served.version = "2"
        with pytest.raises(ModelChanged, match="from 1 to 2"):
            await backend.embed(["a"], truncate=True)
        assert (await backend.describe()).revision == "2"


async def test_a_slow_answer_ends_with_the_call(double: TritonDouble) -> None:
    async with behind(double, call_seconds=0.2) as backend:
        await backend.describe()
        double.served.delay_seconds = 5
        async with asyncio.timeout(2):
            with pytest.raises(TooSlow):
                await backend.embed(["a"], truncate=True)
