"""The vector stores under test, with what the tests of all of them need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.adapters.vectors_milvus import MilvusVectorStore
from synapse_cache.model import Entry, Match, Place
from synapse_cache.ports import VectorStore
from tests.support.entries import a_live_entry

DIMENSION = 8
SPACE = {"fingerprint": "contract/tests:v1", "dimension": DIMENSION}
MILVUS_SHOWS_SECONDS = 20.0
SCOPE = "b" * 64


def unit(*components: float) -> Any:
    """A vector of length one that begins with `components`."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[: len(components)] = components
    return vector / np.linalg.norm(vector)


EAST, NORTH_EAST, NORTH = unit(1, 0), unit(1, 1), unit(0, 1)


@dataclass
class World:
    """A store, a tenant that nobody else uses, and how long an insert may take to show."""

    store: VectorStore
    tenant: str
    patience: float

    @property
    def place(self) -> Place:
        return Place(self.tenant, "default", 1)

    def entry(self, entry_id: str, **changes: Any) -> Entry:
        return a_live_entry(**{"id": entry_id, "tenant": self.tenant, "scope": SCOPE, "epoch": 1} | changes)

    async def search(self, vector: Any = EAST, **changes: Any) -> list[Match]:
        asked = {"place": self.place, "scope": SCOPE, "limit": 4, "min_similarity": -1.0, "now": time.time()} | changes
        return await self.store.search(vector, **asked)

    async def ids(self, vector: Any = EAST, **changes: Any) -> list[str]:
        return [match.entry_id for match in await self.search(vector, **changes)]

    async def insert(self, *items: tuple[Entry, Any]) -> None:
        """Insert, and wait until it shows."""
        await self.store.insert(items)
        for entry, _ in items:
            await self.shows(lambda entry=entry: self.store.fetch(entry.tenant, entry.id))

    async def shows(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """What `ask` returns once that is something; at once unless the store is known to take a while."""
        deadline = time.monotonic() + self.patience
        while not (answer := await ask()):
            assert time.monotonic() < deadline, "it never showed"
            await asyncio.sleep(0.05)
        return answer


@asynccontextmanager
async def opened(kind: str, *, folder: Path, milvus_endpoint: Callable[[], str]) -> AsyncIterator[VectorStore]:
    """A store of that kind."""
    store: VectorStore
    if kind == "memory":
        store = MemoryVectorStore()
    elif kind == "embedded":
        store = await EmbeddedVectorStore.open(folder, **SPACE)
    else:
        store = await MilvusVectorStore.open(milvus_endpoint(), **SPACE)
    try:
        yield store
    finally:
        await store.close()
