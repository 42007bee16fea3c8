"""Embeddings, models and what operators look at: probes, metrics, documentation."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import LIMITED_KEY, asking
from tests.support.mesh import MeshProcess

EMBEDDER = "all-MiniLM-L6-v2"
FULL_NAME = f"sentence-transformers/{EMBEDDER}"
TEXTS = ["A cat sat on the mat.", "Stock prices fell sharply.", "A kitten was sitting on a rug."]


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_a_batch_of_embeddings_keeps_its_order(ask: Asker) -> None:
    create = ask.client.embeddings.create
    batch = create(model=EMBEDDER, input=TEXTS)
    alone = [create(model=FULL_NAME, input=text).data[0].embedding for text in TEXTS]
    assert [item.index for item in batch.data] == [0, 1, 2]
    for item, expected in zip(batch.data, alone, strict=True):
        assert cosine(item.embedding, expected) == pytest.approx(1, abs=1e-5)
    assert batch.usage.prompt_tokens == batch.usage.total_tokens > 15


def test_embeddings_are_unit_vectors_that_follow_meaning(ask: Asker) -> None:
    cat, stocks, kitten = (
        item.embedding
        for item in ask.client.embeddings.create(model=EMBEDDER, input=TEXTS, encoding_format="float").data
    )
    assert len(cat) == 384
    assert math.hypot(*cat) == pytest.approx(1, abs=1e-5)
    assert cosine(cat, kitten) > 0.5 > cosine(cat, stocks)


def test_base64_embeddings_are_the_same_numbers(http: httpx.Client) -> None:
    def embedded(encoding: str) -> Any:
        body = {"model": EMBEDDER, "input": TEXTS[0], "encoding_format": encoding}
        return http.post("/v1/embeddings", json=body).raise_for_status().json()["data"][0]["embedding"]

    raw = base64.b64decode(embedded("base64"))
    assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(embedded("float"), abs=1e-7)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"model": "no-such-embedder", "input": "x"}, openai.NotFoundError),
        ({"model": EMBEDDER, "input": []}, openai.BadRequestError),
        ({"model": EMBEDDER, "input": ""}, openai.BadRequestError),
        ({"model": EMBEDDER, "input": [[1, 2, 3]]}, openai.BadRequestError),
        ({"model": EMBEDDER, "input": "x", "dimensions": 100_000}, openai.BadRequestError),
    ],
)
def test_a_wrong_embeddings_request_is_refused(ask: Asker, members: Any, kind: type[openai.APIStatusError]) -> None:
    with pytest.raises(kind):
        ask.client.embeddings.create(**members)


def test_models_are_listed_with_the_backend_s_and_the_embedder_s(ask: Asker) -> None:
    found = {model.id: model for model in ask.client.models.list()}
    assert found.keys() >= {"echo", "rich/tools", EMBEDDER}
    assert found["echo"].object == "model"


@pytest.mark.parametrize("name", ["echo", "rich/tools", EMBEDDER])
def test_a_model_is_found_by_its_id_slashes_included(http: httpx.Client, name: str) -> None:
    assert http.get(f"/v1/models/{name}").json()["id"] == name


def test_the_sdk_finds_a_model_with_a_slash(ask: Asker) -> None:
    assert ask.client.models.retrieve("rich/tools").id == "rich/tools"


def test_an_unknown_model_is_not_found(ask: Asker) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask.client.models.retrieve("nobody/knows-it")
    assert caught.value.code == "model_not_found"


def test_a_limited_key_sees_only_its_models(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=LIMITED_KEY) as limited:
        assert {model.id.partition("/")[0] for model in limited.client.models.list()} == {"echo", "rich"}


@pytest.mark.parametrize("path", ["/health", "/healthz", "/ready", "/readyz", "/docs", "/openapi.json", "/metrics"])
def test_probes_documentation_and_metrics_need_no_key(mesh_double: MeshProcess, path: str) -> None:
    assert httpx.get(mesh_double.endpoint.url + path, timeout=10).status_code == 200


def test_the_description_of_the_api_lists_every_surface(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert paths.keys() >= {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/api/v1/stats",
        "/api/v1/cache/{id}",
        "/api/v1/cache:invalidate",
        "/health",
        "/ready",
        "/metrics",
    }


def test_metrics_bear_the_names_of_the_guide(ask: Asker, http: httpx.Client) -> None:
    for prompt in ("What is the capital of Italy?", "What is the capital of Italy?", "Tell me the capital of Italy."):
        ask(prompt)
    exposed = metrics(http)
    assert exposed['synapse_requests_total{status="200"}'] >= 3
    assert exposed["synapse_cache_hits_total"] >= 2
    assert exposed["synapse_cache_misses_total"] >= 1
    assert exposed['synapse_request_duration_seconds_count{route="chat"}'] >= 3
    assert exposed["synapse_embedding_duration_seconds_count"] >= 2


def test_metrics_count_each_hit_once(ask: Asker, http: httpx.Client) -> None:
    ask("What is the capital of Spain?")
    before = metrics(http)["synapse_cache_hits_total"]
    ask("What is the capital of Spain?")
    ask.stream("What is the capital of Spain?")
    assert metrics(http)["synapse_cache_hits_total"] == before + 2


def metrics(http: httpx.Client) -> dict[str, float]:
    lines = http.get("/metrics").text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }
