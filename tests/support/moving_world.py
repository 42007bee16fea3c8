"""Replicas that move from one embedding model to another, over stores in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.reembedding_memory import MemoryReembedding
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.model import Embedding, Entry, Place
from synapse_cache.ports import StoreUnavailable, VectorStore
from synapse_cache.reembedding.arrangement import Arrangement
from synapse_cache.reembedding.migration import Migration, MigrationRules
from synapse_cache.reembedding.reembedding import Space, Stage
from synapse_cache.reembedding.spaces import Spaces
from synapse_cache.reembedding.switch import EmbedderSwitch, Standing
from synapse_cache.vector_space import OpenStore, VectorSpace
from synapse_embed.adapters.hashing import HashingModel
from tests.support.clock import Clock
from tests.support.entries import a_live_entry

OLD, NEW, ALIAS = "old", "new", "newer"
PATIENCE_SECONDS = 10.0


class SharedStore(MemoryVectorStore):
    """A store that all replicas use."""

    shared = True


class OneModel:
    """A model of the embedder: hashed words in a dimension of its own. `down` makes it fail, `gate` holds it."""

    def __init__(self, name: str, dimension: int) -> None:
        self._model = HashingModel(dimension=dimension, max_tokens=64)
        self.space = Space(name, f"space of {name}", dimension)
        self.down = False
        self.gate: asyncio.Event | None = None
        self.calls = 0

    async def embed(self, text: str) -> Embedding:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise StoreUnavailable(f"{self.space.model} is down")
        tokens = self._model.tokenise(text)
        vector = np.frombuffer(self._model.encode([tokens])[0], dtype=np.float32)
        return Embedding(vector, self.space.fingerprint, tokens.truncated)

    async def describe(self) -> tuple[str, int]:
        if self.down:
            raise StoreUnavailable(f"{self.space.model} is down")
        return self.space.fingerprint, self.space.dimension


class Models:
    """The embedder with its two models."""

    def __init__(self) -> None:
        self.old, self.new = OneModel(OLD, 64), OneModel(NEW, 32)

    def of(self, model: str) -> OneModel:
        return self.new if model in {NEW, ALIAS} else self.old

    async def served(self) -> list[tuple[Space, tuple[str, ...]]]:
        models = [(self.old, ()), (self.new, (ALIAS,))]
        return [(one.space, aliases) for one, aliases in models if not one.down]


@dataclass
class Replica:
    """One replica: its spaces, and what follows and changes the plan."""

    world: MovingWorld
    spaces: Spaces
    migration: Migration
    switch: EmbedderSwitch
    stores: dict[str, MemoryVectorStore]

    async def store(self, *names: str) -> None:
        """Store answers to questions that consist of their names."""
        entries = [self.world.entry(name) for name in names]
        await self.spaces.insert([(entry, await self.spaces.embed(entry.prompt or "")) for entry in entries])

    async def found(self, name: str) -> list[str]:
        """Ids of what is found by meaning in the space that serves."""
        place, scope = Place("acme", "default", self.world.epoch), self.world.entry(name).scope
        embedding = await self.spaces.embed(name)
        matches = await self.spaces.search(
            embedding, place=place, scope=scope, limit=9, min_similarity=0.9, now=self.world.clock()
        )
        return [match.entry_id for match in matches]

    def ids(self, model: OneModel) -> set[str]:
        """Ids of all that the store of a model holds."""
        held = self.stores.get(model.space.fingerprint)
        return set() if held is None else {entry_id for _, entry_id in held._entries}

    async def standing(self) -> Standing:
        standing = await self.switch.standing()
        assert standing is not None
        return standing


@dataclass
class MovingWorld:
    """What the replicas share."""

    shared: bool = True
    clock: Clock = field(default_factory=Clock)
    models: Models = field(default_factory=Models)
    rules: MigrationRules = field(default_factory=lambda: MigrationRules(10_000, keep_seconds=3600))
    replicas: list[Replica] = field(default_factory=list)
    opener: OpenStore | None = None

    def __post_init__(self) -> None:
        self.plan = MemoryReembedding()
        self.exact = MemoryExactStore(clock=self.clock)
        self.stores: dict[str, MemoryVectorStore] = {}
        self.epoch = 0

    def entry(self, name: str) -> Entry:
        return a_live_entry(id=name, key=name.encode().hex().ljust(64, "0"), prompt=name, epoch=self.epoch)

    @asynccontextmanager
    async def replica(self, stores: dict[str, MemoryVectorStore] | None = None) -> AsyncIterator[Replica]:
        """A replica that runs, with vector stores of its own where they are not shared."""
        held = self.stores if self.shared else ({} if stores is None else stores)
        self.epoch = (await self.exact.get(Place("acme"), "0"))[1]

        async def opened(fingerprint: str, dimension: int) -> VectorStore:
            if self.opener is not None:
                return await self.opener(fingerprint, dimension)
            return held.setdefault(fingerprint, SharedStore() if self.shared else MemoryVectorStore())

        spaces = Spaces(VectorSpace(self.models.of(""), opened))
        arrangement = Arrangement(spaces, self.models, opened)
        migration = Migration(self.plan, arrangement, self.exact, rules=self.rules, clock=self.clock)
        await migration.follow()
        switch = EmbedderSwitch(migration, spaces, self.models, clock=self.clock)
        made = Replica(self, spaces, migration, switch, held)
        tasks = [asyncio.create_task(work()) for work in (spaces.run, migration.run)]
        self.replicas.append(made)
        try:
            await self.until(lambda: spaces.serving.is_open)
            yield made
        finally:
            self.replicas.remove(made)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await spaces.close()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, every replica hearing of the others meanwhile."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                for replica in self.replicas:
                    await replica.migration.follow()
                await asyncio.sleep(0.02)

    async def until_stage(self, stage: Stage) -> None:
        """Wait until every replica knows the plan to be at a stage."""

        def reached() -> bool:
            plans = [replica.migration.view.plan for replica in self.replicas]
            return all(plan is not None and plan.stage is stage for plan in plans)

        await self.until(reached)
