"""The bundled model, loaded once, and every encoder there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from synapse_embed.adapters import minilm
from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.batcher import BatchLimits, batching
from synapse_embed.ports import Encoder, LocalModel
from tests.contract.embed.remotes import over_a_double


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def bundled(model_dir: Path) -> minilm.MiniLm:
    return minilm.load(model_dir=model_dir)


ENCODERS = ("bundled", "hashing", "triton-texts", "triton-tokens", "tei-http", "tei-grpc", "openai", "openai-counted")


@pytest.fixture(params=ENCODERS)
async def encoder(request: pytest.FixtureRequest, bundled: minilm.MiniLm) -> AsyncIterator[Encoder]:
    if request.param not in {"bundled", "hashing"}:
        async with over_a_double(request.param) as remote:
            yield remote
        return
    model: LocalModel = bundled if request.param == "bundled" else HashingModel()
    async with batching(model, BatchLimits(workers=2)) as batcher:
        yield batcher
