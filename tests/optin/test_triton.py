"""A real Triton behind the embed service: its vectors are the bundled model's own, its limits and errors are Triton's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from synapse_embed.errors import EncoderDown, EncoderFailed, TextTooLong, TooSlow
from synapse_embed.ports import Encoder
from synapse_runtime.errors import Unavailable
from synapse_runtime.settings import SettingsError
from tests.contract.embed.client import Client, service
from tests.contract.embed.remotes import WINDOW, backend_of, encoder_of, settings
from tests.contract.embed.test_encoders import TEXTS, matrix
from tests.optin.triton_server import Running, running_triton
from tests.support import minilm_texts, parts
from tests.support.mesh import free_port

pytestmark = pytest.mark.timeout(600)
MANY = [f"{text} {i}" for i in range(5) for text in TEXTS]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running server."""
    try:
        with running_triton(tmp_path_factory.mktemp("triton")) as running:
            yield running
    except parts.PartMissing as absent:
        pytest.fail(str(absent))


def section(triton: Running, inputs: Literal["texts", "tokens"] = "texts", **more: Any) -> dict[str, Any]:
    """The settings of one of its models."""
    tokenizer = {"tokenizer": str(minilm_texts.tokenizer())}
    named = {"endpoint": triton.target, "model": f"minilm_{inputs}", "inputs": inputs, "max_tokens": WINDOW}
    return {**named, **tokenizer, **more}


@pytest.fixture(params=["texts", "tokens"])
async def encoder(request: pytest.FixtureRequest, triton: Running) -> AsyncIterator[Encoder]:
    async with encoder_of(settings("triton", section(triton, request.param), call_seconds=60)) as encoder:
        yield encoder


def bundled(texts: list[str]) -> NDArray[np.float32]:
    return np.stack([minilm_texts.read(text).vector for text in texts])


async def test_the_vectors_are_the_bundled_models_own(encoder: Encoder) -> None:
    vectors = matrix(await encoder.encode(TEXTS, truncate=True))
    cosines = (vectors * bundled(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.9999


async def test_requests_at_once_and_larger_than_a_batch_get_every_vector_in_its_place(encoder: Encoder) -> None:
    answers = await asyncio.gather(*(encoder.encode(MANY, truncate=True) for _ in range(3)))
    expected = bundled(MANY)
    for answer in answers:
        assert (matrix(answer) * expected).sum(axis=1).min() > 0.9999


async def test_long_texts_are_cut_here_and_told(encoder: Encoder) -> None:
    cut, whole = await encoder.encode(["cat " * 1000, "cat"], truncate=True)
    assert (cut.truncated, cut.token_count, whole.truncated) == (True, WINDOW, False)
    assert (matrix([cut]) @ bundled(["cat " * 1000]).T).item() > 0.9999
    with pytest.raises(TextTooLong):
        await encoder.encode(["cat " * 1000], truncate=False)


async def test_the_models_batch_size_is_read_and_kept_by_the_server(triton: Running) -> None:
    async with backend_of(settings("triton", section(triton))) as backend:
        await backend.describe()
        assert backend.batch_texts == 16
        with pytest.raises(EncoderFailed, match="batch-size must be <= 16"):
            await backend.embed(["a"] * 17, truncate=True)


async def test_a_call_that_takes_too_long_ends(triton: Running) -> None:
    async with backend_of(settings("triton", section(triton))) as backend:
        await backend.describe()
        hurried = settings("triton", section(triton), call_seconds=0.002)
        async with backend_of(hurried) as late:
            with pytest.raises(TooSlow):
                await late.describe()


async def test_a_model_that_is_not_loaded_is_waited_for(triton: Running) -> None:
    async with backend_of(settings("triton", section(triton, model="nobody"))) as backend:
        with pytest.raises(EncoderDown, match="unknown model"):
            await backend.describe()


@pytest.mark.parametrize(
    ("more", "dimension", "told"),
    [
        ({"text_input": "words"}, None, "words"),
        ({"output": "vectors"}, None, "vectors"),
        ({"datatype": "FP16"}, None, "FP32"),
        ({}, 768, "embed.dimension is 768, but .* have 384"),
    ],
)
async def test_a_model_that_does_not_fit_ends_the_start(
    triton: Running, more: dict[str, Any], dimension: int | None, told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        async with service(provider="triton", triton=section(triton, **more), dimension=dimension):
            pass


async def test_the_service_answers_and_ranks(triton: Running) -> None:
    async with service(provider="triton", triton=section(triton, revision="53aa"), dimension=384) as client:
        answer = await client.embed("What is the capital of France?")
        ranked = await client.rerank("capital of France", "My card was declined.", "Paris is France's capital.")
    assert answer.fingerprint.startswith("backend=triton;model=minilm_texts;revision=53aa/1;dimension=384;")
    assert [one.index for one in ranked.results] == [1, 0]


async def test_a_server_that_dies_is_told_and_asked_again_when_it_is_back(triton: Running, tmp_path: Path) -> None:
    port = free_port()
    short = {"calls": 2, "call_seconds": 5, "check_seconds": 0.5, "kept_vectors": 0}
    with ExitStack() as first:
        running = first.enter_context(running_triton(tmp_path, grpc_port=port))
        async with service(provider="triton", triton=section(running), **short) as client:
            before = await _answer(client)
            await asyncio.to_thread(first.close)
            with pytest.raises(Unavailable):
                await client.embed("cat")
            with running_triton(tmp_path, grpc_port=port):
                assert await _answer(client) == before


async def _answer(client: Client) -> list[float]:
    """The first answer; pytriton takes its models away once more after they were ready."""
    for _ in range(100):
        try:
            return list((await client.embed("cat")).embeddings[0].values)
        except Unavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("no answer within ten seconds")
