"""A service of several models: the first is the default one, the others answer to their names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from synapse.embed.v1 import embed_pb2
from synapse_embed.settings import EmbedSettings
from synapse_runtime import errors
from tests.contract.embed.client import Client, service
from tests.support.openai_embeddings import embeddings_double

OTHER = "all-minilm"


def beside(url: str) -> dict[str, Any]:
    return {"provider": "openai", "openai": {"endpoint": url, "model": OTHER, "max_tokens": 256}}


async def eventually(client: Client, name: str) -> embed_pb2.EmbedResponse:
    """What a model answers once its backend does."""
    for _ in range(100):
        try:
            return await client.embed("a word", model=name)
        except errors.Unavailable:
            await asyncio.sleep(0.05)
    raise AssertionError(f"{name} never answered")


async def test_each_model_answers_to_its_name_in_a_space_of_its_own(model_dir: Path) -> None:
    async with service(provider="hashing", others=[{"provider": "bundled"}], model_dir=model_dir) as client:
        listed = (await client.stub.ListModels(client.nothing, timeout=5)).models
        default = await client.embed("a word")
        replies = [await client.embed("a word", model=model.id) for model in listed]
    assert [reply.fingerprint for reply in replies] == [model.fingerprint for model in listed]
    assert default.fingerprint == listed[0].fingerprint != listed[1].fingerprint
    assert (default.model, replies[1].model) == (listed[0].id, listed[1].id)


async def test_an_alias_of_a_further_model_is_known(model_dir: Path) -> None:
    async with service(provider="hashing", others=[{"provider": "bundled"}], model_dir=model_dir) as client:
        listed = (await client.stub.ListModels(client.nothing, timeout=5)).models[1]
        for alias in listed.aliases:
            assert (await client.embed("a word", model=alias)).model == listed.id


async def test_a_name_that_nobody_has_is_refused_with_those_that_are_served(model_dir: Path) -> None:
    async with service(provider="hashing", others=[{"provider": "bundled"}], model_dir=model_dir) as client:
        with pytest.raises(errors.NotFound, match=r"'hashing', '.*MiniLM.*'"):
            await client.embed("a word", model="bge-m3")


async def test_a_further_backend_may_come_later() -> None:
    async with embeddings_double() as double:
        double.behaviour.hang_up = True
        async with service(provider="hashing", others=[beside(double.url)], check_seconds=0.1) as client:
            assert (await client.get("/ready"))[0] == 200
            assert len((await client.stub.ListModels(client.nothing, timeout=5)).models) == 1
            with pytest.raises(errors.Unavailable):
                await client.embed("a word", model=OTHER)
            double.behaviour.hang_up = False
            assert (await eventually(client, OTHER)).model == OTHER
            assert len((await client.stub.ListModels(client.nothing, timeout=5)).models) == 2


async def test_a_further_backend_that_dies_keeps_the_service_ready() -> None:
    async with (
        embeddings_double() as double,
        service(provider="hashing", others=[beside(double.url)], check_seconds=0.05, call_seconds=0.2) as client,
    ):
        await eventually(client, OTHER)
        double.behaviour.hang_up = True
        await asyncio.sleep(0.5)
        assert (await client.get("/ready"))[0] == 200
        assert (await client.embed("a word")).model == "hashing"


def test_a_further_model_needs_its_section() -> None:
    with pytest.raises(ValueError, match=r"embed\.tei"):
        EmbedSettings.model_validate({"others": [{"provider": "tei"}]})
