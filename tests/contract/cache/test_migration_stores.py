"""Moving to another embedder over the stores that last: files, and a real Milvus."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore
from synapse_cache.adapters.vectors_milvus import MilvusVectorStore
from synapse_cache.ports import VectorStore
from synapse_cache.reembedding.migration import MigrationRules
from synapse_cache.reembedding.reembedding import Stage
from tests.support import moving_world
from tests.support.moving_world import NEW, MovingWorld

NAMES = [f"question number {number}" for number in range(150)]
SHOWS_SECONDS = 20.0


def files(folder: Path) -> int:
    """How many stores lie in a folder."""
    return len(list(folder.glob("*.db")))


async def test_files_are_moved_and_the_old_one_goes_in_the_end(tmp_path: Path) -> None:
    async def opened(fingerprint: str, dimension: int) -> VectorStore:
        return await EmbeddedVectorStore.open(tmp_path, fingerprint=fingerprint, dimension=dimension)

    world = MovingWorld(shared=False, opener=opened)
    async with world.replica() as replica:
        await replica.store(*NAMES)
        await replica.switch.start(NEW)
        await world.until_stage(Stage.READY)
        await replica.switch.switch()
        assert await replica.spaces.count() == len(NAMES)
        assert NAMES[7] in await replica.found(NAMES[7])
        assert files(tmp_path) == 2
    async with world.replica() as again:
        assert NAMES[9] in await again.found(NAMES[9])
        world.clock.advance(3601)
        await world.until(lambda: files(tmp_path) == 1)
        assert NAMES[7] in await again.found(NAMES[7])


@pytest.mark.milvus
async def test_collections_are_moved_and_the_old_one_goes_in_the_end(
    milvus_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synapse_cache.reembedding.migration._REMOVE_AFTER_SECONDS", 1.0)
    monkeypatch.setattr(moving_world, "PATIENCE_SECONDS", 60.0)
    run, opened_stores = secrets.token_hex(4), dict[str, MilvusVectorStore]()

    async def opened(fingerprint: str, dimension: int) -> VectorStore:
        name = f"{fingerprint} {run}"
        opened_stores[fingerprint] = await MilvusVectorStore.open(
            milvus_endpoint, fingerprint=name, dimension=dimension
        )
        return opened_stores[fingerprint]

    world = MovingWorld(opener=opened, rules=MigrationRules(10_000, keep_seconds=3600))
    async with world.replica() as replica, world.replica() as other:
        await replica.store(*NAMES)
        await replica.switch.start(NEW)
        await world.until_stage(Stage.READY)
        await other.store("late")
        await other.switch.switch()
        await replica.migration.follow()
        assert await replica.spaces.count() in {len(NAMES), len(NAMES) + 1}
        for name in (NAMES[7], "late"):
            async with asyncio.timeout(SHOWS_SECONDS):
                while name not in await replica.found(name):  # noqa: ASYNC110  # Milvus tells of nothing
                    await asyncio.sleep(0.2)
        world.clock.advance(3601)
        await world.until(lambda: all(one.spaces.beside is None for one in world.replicas))
        await asyncio.sleep(2)
        assert NAMES[7] in await replica.found(NAMES[7])
    for fingerprint in opened_stores:
        left = await MilvusVectorStore.open(
            milvus_endpoint, fingerprint=f"{fingerprint} {run}", dimension=64 if "old" in fingerprint else 32
        )
        assert ("old" in fingerprint) == (await left.count() == 0)
        await left.drop()
