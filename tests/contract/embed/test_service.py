"""The real service over a real channel: its replies, its errors, its probes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from numpy.typing import NDArray

from synapse.embed.v1 import embed_pb2
from synapse_embed.app import run
from synapse_embed.settings import EmbedSettings
from synapse_runtime import errors
from synapse_runtime.settings import SettingsError
from tests.contract.embed.client import LOOPBACK, MESH, Client, service


@pytest.fixture
async def hashing() -> AsyncIterator[Client]:
    async with service(provider="hashing", max_inputs=3) as client:
        yield client


def matrix(response: embed_pb2.EmbedResponse) -> NDArray[np.float32]:
    return np.array([embedding.values for embedding in response.embeddings], np.float32)


async def test_the_bundled_model_answers(model_dir: Path) -> None:
    async with service(model_dir=model_dir) as client:
        response = await client.embed("What is the capital of France?", "Which city is France's capital?", "cat " * 300)
        served = await client.stub.ListModels(embed_pb2.ListModelsRequest(), timeout=5)
    vectors = matrix(response)
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > 0.9
    assert [embedding.truncated for embedding in response.embeddings] == [False, False, True]
    assert [embedding.token_count for embedding in response.embeddings] == [9, 10, 256]
    assert response.token_count == 275
    assert response.elapsed.ToNanoseconds() > 0
    (model,) = served.models
    assert (model.id, model.dimension, model.max_tokens) == (response.model, 384, 256)
    assert model.fingerprint == response.fingerprint


@pytest.mark.parametrize(
    ("texts", "options", "kind", "reason"),
    [
        (["a"], {"model": "gpt-4o"}, errors.NotFound, "UNKNOWN_MODEL"),
        ([], {}, errors.InvalidArgument, "INPUTS_MISSING"),
        (["a", ""], {}, errors.InvalidArgument, "TEXT_EMPTY"),
        (["a"] * 4, {}, errors.InvalidArgument, "TOO_MANY_INPUTS"),
        (["cat " * 300], {"truncate": False}, errors.InvalidArgument, "TEXT_TOO_LONG"),
        (["a"], {"dimensions": 7}, errors.InvalidArgument, "DIMENSIONS_UNSUPPORTED"),
    ],
)
async def test_what_is_refused_says_why(
    hashing: Client, texts: list[str], options: dict[str, object], kind: type[errors.SynapseError], reason: str
) -> None:
    with pytest.raises(kind) as refused:
        await hashing.embed(*texts, **options)
    assert refused.value.reason == reason


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with service(provider="hashing", queue_texts=4, max_inputs=4, workers=1) as client:
        texts = [["cat " * 250 + f"{i} {j}" for j in range(4)] for i in range(60)]
        replies = await asyncio.gather(*(client.embed(*four) for four in texts), return_exceptions=True)
        refused = [reply for reply in replies if isinstance(reply, errors.ResourceExhausted)]
        served = [reply for reply in replies if isinstance(reply, embed_pb2.EmbedResponse)]
        assert len(refused) + len(served) == 60
        assert served
        assert all(error.reason == "EMBED_QUEUE_FULL" and error.retry_after_seconds for error in refused)
        assert refused


async def test_the_probes_and_the_metrics_answer(hashing: Client) -> None:
    await hashing.embed("a", "b")
    assert await hashing.get("/health") == (200, '{"status":"ok"}\n')
    assert json.loads((await hashing.get("/ready"))[1]) == {"ready": True}
    metrics = (await hashing.get("/metrics"))[1]
    for name in (
        "duration_seconds_bucket",
        "batch_texts_bucket",
        "queue_texts",
        "cache_requests_total",
        "tokens_total",
    ):
        assert f"synapse_embedding_{name}" in metrics


async def test_grpc_health_says_that_the_model_answers(hashing: Client) -> None:
    reply = await hashing.health.Check(
        health_pb2.HealthCheckRequest(service="synapse.embed.v1.EmbedService"), timeout=5
    )
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_nothing_listens_beyond_loopback_without_a_secret() -> None:
    settings = EmbedSettings(listen="0.0.0.0:0", probes=LOOPBACK, provider="hashing")
    with pytest.raises(SettingsError, match=r"mesh\.secret"):
        async with run(settings, MESH):
            pass
