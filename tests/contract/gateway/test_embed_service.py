"""The gateway over the real embed service: what is known already is not embedded anew, and ranking works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr

from synapse_embed.app import run as run_embed
from synapse_embed.settings import EmbedSettings
from synapse_gateway.app import run
from synapse_runtime.settings import Config, MeshSettings
from tests.contract.gateway.conftest import KEYS, SECRET
from tests.support.cache_double import mesh_double

LOOPBACK = "127.0.0.1:0"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A gateway whose embed service is the real one, with hashed words for a model."""
    mesh = MeshSettings(secret=SecretStr(SECRET), drain_seconds=0.1)
    settings = EmbedSettings(provider="hashing", listen=LOOPBACK, probes=LOOPBACK)
    async with mesh_double(secret=SECRET) as double, run_embed(settings, mesh) as embed:
        targets: dict[str, Any] = {"cache_target": double.target, "router_target": double.target}
        targets["embed_target"] = f"127.0.0.1:{embed.grpc_port}"
        config = {"mesh": {"secret": SECRET, **targets}, "gateway": {"listen": LOOPBACK, "keys": KEYS}}
        async with run(Config(config, origin="test")) as running:
            yield f"http://127.0.0.1:{running.port}"


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer sk-admin"}) as client:
        yield client


async def vectors(http: httpx.AsyncClient, *texts: str) -> tuple[list[list[float]], str]:
    got = await http.post("/v1/embeddings", json={"model": await model(http), "input": texts})
    data = got.json()["data"]
    assert [entry["index"] for entry in data] == list(range(len(texts)))
    return [entry["embedding"] for entry in data], got.headers["x-synapse-cached-inputs"]


async def model(http: httpx.AsyncClient) -> str:
    """The id of the service's model."""
    listed = (await http.get("/v1/models")).json()["data"]
    return next(entry["id"] for entry in listed if entry["owned_by"] == "synapse")


async def test_a_batch_asks_only_for_what_is_not_known_and_keeps_its_order(http: httpx.AsyncClient) -> None:
    (one, two), known_at_first = await vectors(http, "one", "two")
    again, known = await vectors(http, "three", "two", "one", "two")
    assert (known_at_first, known) == ("0", "3")
    assert [again[1], again[2], again[3]] == [two, one, two]
    assert again[0] not in (one, two)


async def test_base64_and_floats_carry_the_same_vector(http: httpx.AsyncClient, url: str) -> None:
    ((floats,), _) = await vectors(http, "a text")
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-admin", max_retries=0) as client:
        made = await client.embeddings.create(model=await model(http), input="a text")  # base64 on the wire
    assert made.data[0].embedding == pytest.approx(floats, abs=1e-7)


async def test_another_dimension_than_the_models_is_refused(http: httpx.AsyncClient) -> None:
    got = await http.post("/v1/embeddings", json={"model": await model(http), "input": "a", "dimensions": 7})
    assert got.status_code == 400
    assert "dimensions" in got.json()["error"]["message"]


async def test_the_document_that_says_what_is_asked_ranks_first(http: httpx.AsyncClient) -> None:
    documents = ["how to bake bread", "the capital of France is Paris", {"text": "rivers of Asia"}]
    body = {"model": await model(http), "query": "capital of France", "documents": documents, "top_n": 2}
    made = (await http.post("/v1/rerank", json=body)).json()
    first, second = made["results"]
    assert (first["index"], first["document"]["text"]) == (1, documents[1])
    assert first["relevance_score"] > second["relevance_score"]
    assert made["usage"]["total_tokens"] > 0


async def test_an_unknown_model_is_not_found(http: httpx.AsyncClient) -> None:
    for path, body in (("/v1/embeddings", {"input": "a"}), ("/v1/rerank", {"query": "a", "documents": ["b"]})):
        got = await http.post(path, json={"model": "nobody", **body})
        assert (got.status_code, got.json()["error"]["type"]) == (404, "invalid_request_error")
