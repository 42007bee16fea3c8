"""Documents are ranked in the form that Cohere, Jina and vLLM share."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from synapse_runtime import errors
from tests.contract.gateway.conftest import World

BODY = {"model": "mini", "query": "which?", "documents": ["a", "ccc", "bb"]}


async def rank(world: World, path: str = "/v1/rerank", key: str = "sk-admin", **members: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return await world.http.post(path, json={**BODY, **members}, headers=headers)


async def test_documents_come_best_first_with_their_places(world: World) -> None:
    made = (await rank(world)).json()
    assert [(result["index"], result["relevance_score"]) for result in made["results"]] == [
        (1, 3.0),
        (2, 2.0),
        (0, 1.0),
    ]
    assert made["results"][0]["document"] == {"text": "ccc"}
    assert (made["model"], made["usage"]["total_tokens"]) == ("mini", 4)
    assert made["id"].startswith("rerank-")


async def test_documents_may_be_objects_and_be_left_out_of_the_answer(world: World) -> None:
    made = (await rank(world, documents=[{"text": "a"}, "bb"], return_documents=False)).json()
    assert [result.keys() for result in made["results"]] == [{"index", "relevance_score"}] * 2
    assert list(world.mesh.embed.ranked[0].documents) == ["a", "bb"]


async def test_only_the_best_are_told_when_asked(world: World) -> None:
    made = (await rank(world, top_n=1)).json()
    assert [result["index"] for result in made["results"]] == [1]
    assert world.mesh.embed.ranked[0].top_n == 1


async def test_coheres_second_path_tells_no_documents_unless_asked(world: World) -> None:
    plain, asked = await rank(world, "/v2/rerank"), await rank(world, "/v2/rerank", return_documents=True)
    assert "document" not in plain.json()["results"][0]
    assert asked.json()["results"][0]["document"] == {"text": "ccc"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"query": None}, "query"),
        ({"query": ""}, "query"),
        ({"query": 3}, "query"),
        ({"documents": None}, "documents"),
        ({"documents": "a"}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", 3]}, "documents[1]"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"documents": [{"title": "a"}]}, "documents[0].text"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "1"}, "top_n"),
        ({"return_documents": 1}, "return_documents"),
    ],
)
async def test_a_wrong_request_is_refused_by_name(world: World, members: dict[str, Any], param: str) -> None:
    got = await rank(world, **members)
    assert got.status_code == 400
    assert (got.json()["error"]["type"], got.json()["error"]["param"]) == ("invalid_request_error", param)
    assert world.mesh.embed.ranked == []


async def test_a_narrow_key_ranks_only_with_its_models(world: World) -> None:
    assert (await rank(world, key="sk-narrow")).status_code == 403


async def test_errors_of_the_service_have_openais_form(world: World) -> None:
    world.mesh.embed.failure = errors.NotFound("there is no model 'mini'", reason="UNKNOWN_MODEL")
    got = await rank(world)
    assert (got.status_code, got.json()["error"]["message"]) == (404, "there is no model 'mini'")
