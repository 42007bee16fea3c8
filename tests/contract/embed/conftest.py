"""The bundled model, loaded once, and every encoder there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synapse_embed.adapters import minilm
from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.batcher import BatchLimits, batching
from synapse_embed.ports import Encoder, LocalModel


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def bundled(model_dir: Path) -> minilm.MiniLm:
    return minilm.load(model_dir=model_dir)


@pytest.fixture(params=["bundled", "hashing"])
def local_model(request: pytest.FixtureRequest, bundled: minilm.MiniLm) -> LocalModel:
    return bundled if request.param == "bundled" else HashingModel()


@pytest.fixture
async def encoder(local_model: LocalModel) -> AsyncIterator[Encoder]:
    async with batching(local_model, BatchLimits(workers=2)) as batcher:
        yield batcher
