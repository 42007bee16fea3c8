"""Rerank over a real channel, by similarity and by backends with a cross-encoder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from synapse_runtime import errors
from synapse_runtime.settings import SettingsError
from tests.contract.embed.client import Client, service
from tests.support import minilm_texts
from tests.support.openai_embeddings import EmbeddingsDouble, embeddings_double
from tests.support.tei_server import TeiGrpcDouble, TeiHttpDouble, tei_grpc, tei_http

QUERY = "What is the capital of France?"
DOCUMENTS = [
    "My card was declined.",
    "Paris is the capital of France.",
    "France borders Spain.",
    "How do I sort a list?",
    "Lyon is a city in France.",
]
ORDER = sorted(range(len(DOCUMENTS)), key=lambda index: -minilm_texts.cosine(QUERY, DOCUMENTS[index]))
BACKENDS = ("tei-http", "tei-grpc", "openai")
Double = TeiHttpDouble | TeiGrpcDouble | EmbeddingsDouble


@asynccontextmanager
async def ranking(kind: str, **more: Any) -> AsyncIterator[tuple[Client, Double]]:
    """A service that ranks with a double, in batches of two documents."""
    async with AsyncExitStack() as stack:
        double: Double
        match kind:
            case "tei-http":
                double = await stack.enter_async_context(tei_http())
                double.served.kind = "reranker"
                how = {"provider": "tei", "endpoint": double.url}
            case "tei-grpc":
                double = await stack.enter_async_context(tei_grpc())
                double.served.kind = "reranker"
                how = {"provider": "tei", "endpoint": f"grpc://{double.target}"}
            case _:
                double = await stack.enter_async_context(embeddings_double())
                how = {"provider": "openai", "endpoint": double.url, "model": "all-minilm"}
        values = {"provider": "hashing", "rerank": {**how, "batch_documents": 2, **more}, "call_seconds": 5}
        yield await stack.enter_async_context(service(**values)), double


@pytest.mark.parametrize("kind", BACKENDS)
async def test_a_backend_ranks_in_batches_as_it_would_at_once(kind: str) -> None:
    async with ranking(kind) as (client, double):
        asked = len(double.requests)
        answer = await client.rerank(QUERY, *DOCUMENTS)
        assert len(double.requests) - asked == 3
    assert [one.index for one in answer.results] == ORDER
    scores = [one.score for one in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert answer.token_count > 0
    assert answer.elapsed.ToNanoseconds() > 0


@pytest.mark.parametrize("kind", BACKENDS)
async def test_only_the_best_are_told_where_that_is_asked(kind: str) -> None:
    async with ranking(kind) as (client, _):
        answer = await client.rerank(QUERY, *DOCUMENTS, top_n=2)
    assert [one.index for one in answer.results] == ORDER[:2]


@pytest.mark.parametrize("kind", BACKENDS)
async def test_the_model_is_named_and_another_is_unknown(kind: str) -> None:
    async with ranking(kind) as (client, _):
        answer = await client.rerank(QUERY, "a")
        assert (await client.rerank(QUERY, "a", model=answer.model)).model == answer.model
        with pytest.raises(errors.NotFound):
            await client.rerank(QUERY, "a", model="nobody")


@pytest.mark.parametrize("kind", ["tei-http", "tei-grpc"])
async def test_what_is_too_long_and_may_not_be_cut_is_the_callers(kind: str) -> None:
    async with ranking(kind) as (client, _):
        assert (await client.rerank(QUERY, "cat " * 300)).results
        with pytest.raises(errors.InvalidArgument) as refused:
            await client.rerank(QUERY, "cat " * 300, truncate=False)
    assert refused.value.reason == "EMBED_BACKEND_REFUSED"


@pytest.mark.parametrize("kind", ["tei-http", "tei-grpc"])
async def test_faults_of_the_backend_are_told(kind: str) -> None:
    async with ranking(kind) as (client, double):
        assert not isinstance(double, EmbeddingsDouble)
        double.served.overloaded = True
        with pytest.raises(errors.ResourceExhausted):
            await client.rerank(QUERY, "a")
        double.served.overloaded = False
        double.served.unhealthy = True
        with pytest.raises(errors.Unavailable):
            await client.rerank(QUERY, "a")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"results": [{"index": 1, "relevance_score": 0.5}]}',
        b'{"results": [{"index": 0}]}',
        b'{"results": [{"index": 0, "relevance_score": "high"}]}',
        b'{"results": [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": 1}]}',
    ],
)
async def test_what_is_no_ranking_is_not_used(body: bytes) -> None:
    async with ranking("openai") as (client, double):
        assert isinstance(double, EmbeddingsDouble)
        double.behaviour.body = body
        with pytest.raises(errors.Internal):
            await client.rerank(QUERY, "a")


@pytest.mark.parametrize(
    ("served", "more", "told"),
    [({"kind": "embedding"}, {}, "is no reranker"), ({}, {"model": "bge-reranker"}, "embed.rerank.model is bge")],
)
async def test_a_server_that_does_not_rank_ends_the_start(
    served: dict[str, str], more: dict[str, str], told: str
) -> None:
    async with tei_http() as double:
        double.served.kind = "reranker"
        for name, value in served.items():
            setattr(double.served, name, value)
        with pytest.raises(SettingsError, match=told):
            async with service(provider="hashing", rerank={"provider": "tei", "endpoint": double.url, **more}):
                pass


async def test_without_a_backend_the_embedders_similarity_ranks() -> None:
    async with service(provider="bundled") as client:
        answer = await client.rerank(QUERY, *DOCUMENTS)
    assert [one.index for one in answer.results] == ORDER
    assert answer.model == "all-MiniLM-L6-v2"
    assert answer.results[0].score == pytest.approx(minilm_texts.cosine(QUERY, DOCUMENTS[ORDER[0]]), abs=1e-6)


@pytest.mark.parametrize(
    ("query", "documents", "options", "reason"),
    [
        ("", ["a"], {}, "TEXT_EMPTY"),
        ("q", [], {}, "DOCUMENTS_MISSING"),
        ("q", ["a"] * 4, {}, "TOO_MANY_DOCUMENTS"),
        ("q", ["a"], {"top_n": 0}, "TOP_N_INVALID"),
        ("q", ["cat " * 300], {"truncate": False}, "TEXT_TOO_LONG"),
    ],
)
async def test_what_is_refused_says_why(query: str, documents: list[str], options: dict[str, Any], reason: str) -> None:
    async with service(provider="hashing", rerank={"max_documents": 3}) as client:
        with pytest.raises(errors.InvalidArgument) as refused:
            await client.rerank(query, *documents, **options)
    assert refused.value.reason == reason
