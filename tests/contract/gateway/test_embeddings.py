"""Embeddings in OpenAI's form: formats, dimensions, what was known already, and what is refused."""

from __future__ import annotations

import base64
from array import array
from typing import Any

import httpx
import openai
import pytest

from synapse_runtime import errors
from tests.contract.gateway.conftest import World
from tests.support.cache_double import EMBED_ALIAS, EMBED_MODEL


async def embed(world: World, **members: Any) -> httpx.Response:
    return await world.http.post("/v1/embeddings", json={"model": "mini", "input": ["a", "bbb"], **members})


async def test_floats_and_base64_are_the_same_vectors(world: World) -> None:
    floats = [entry["embedding"] for entry in (await embed(world)).json()["data"]]
    coded = [entry["embedding"] for entry in (await embed(world, encoding_format="base64")).json()["data"]]
    decoded = [array("f", base64.b64decode(text)).tolist() for text in coded]
    assert decoded == floats


async def test_every_vector_stands_at_the_place_of_its_text(world: World) -> None:
    made = await world.openai.embeddings.create(model="mini", input=["a", "bbb", "a"], encoding_format="float")
    assert [(entry.index, entry.embedding[0]) for entry in made.data] == [(0, 1.0), (1, 3.0), (2, 1.0)]


async def test_the_reply_tells_how_many_texts_were_known(world: World) -> None:
    assert (await embed(world)).headers["x-synapse-cached-inputs"] == "0"
    world.mesh.embed.known = 1
    assert (await embed(world)).headers["x-synapse-cached-inputs"] == "1"


async def test_a_dimension_travels(world: World) -> None:
    await embed(world, dimensions=2)
    assert world.mesh.embed.requests[0].dimensions == 2


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a", None]}, "input[1]"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": "3"}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": ["float"]}, "encoding_format"),
    ],
)
async def test_a_wrong_request_is_refused_by_name(world: World, members: dict[str, Any], param: str) -> None:
    got = await embed(world, **members)
    assert (got.status_code, got.json()["error"]["param"]) == (400, param)
    assert world.mesh.embed.requests == []


async def test_errors_of_the_service_are_the_sdks_exceptions(world: World) -> None:
    world.mesh.embed.failure = errors.InvalidArgument("has vectors of 3 dimensions", reason="DIMENSIONS_UNSUPPORTED")
    with pytest.raises(openai.BadRequestError, match="3 dimensions"):
        await world.openai.embeddings.create(model="mini", input="a", dimensions=2)


async def test_a_model_is_found_by_every_id_that_embeddings_take(world: World) -> None:
    for name in (EMBED_MODEL, EMBED_ALIAS):
        assert (await world.openai.models.retrieve(name)).id == name
    with pytest.raises(openai.NotFoundError):
        await world.openai.models.retrieve("nobody")


async def test_an_alias_is_listed_under_its_model_only(world: World) -> None:
    names = [model.id async for model in world.openai.models.list()]
    assert EMBED_MODEL in names
    assert EMBED_ALIAS not in names
