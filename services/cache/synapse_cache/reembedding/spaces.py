"""The vector space that serves, and the one beside it while entries are moved from one embedder to another.

To everybody else it is the vector store. What is stored and removed goes to both spaces: into the serving one at once,
into the other behind that, by a queue of its own, so that a second embedder that is slow or down holds up nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Leg, Page
    from synapse_cache.model import Embedding, Entry, Match, Place
    from synapse_cache.reembedding.carrying import Carrying
    from synapse_cache.vector_space import VectorSpace

_log = logging.getLogger("synapse.cache.spaces")
_QUEUE = 2_000
_BESIDE = "+"
"""Marks the place in a walk that went over to the other space."""


class Spaces:
    """As VectorSpace, of which it holds one or two; `arrange` sets them."""

    def __init__(self, serving: VectorSpace) -> None:
        self._serving = serving
        self._carrying: Carrying | None = None
        self._queue: asyncio.Queue[tuple[Entry, Carrying]] = asyncio.Queue(_QUEUE)
        self._changed = asyncio.Event()
        self._running: dict[VectorSpace, asyncio.Task[None]] = {}
        self.lapses = 0

    @property
    def serving(self) -> VectorSpace:
        """The space that is searched."""
        return self._serving

    @property
    def beside(self) -> VectorSpace | None:
        """The space that is written to as well."""
        return None if self._carrying is None else self._carrying.target

    @property
    def carrying(self) -> Carrying | None:
        """The way from the one to the other."""
        return self._carrying

    @property
    def fingerprint(self) -> str:
        """That of the space that is searched."""
        return self._serving.fingerprint

    @property
    def shared(self) -> bool:
        """As VectorStore."""
        return self._serving.shared

    def arrange(self, serving: VectorSpace, carrying: Carrying | None) -> None:
        """Search `serving` from now on, and carry what is stored on into another space."""
        self._serving, self._carrying = serving, carrying
        self._changed.set()

    async def run(self) -> None:
        """Keep the spaces open, and carry on what was stored, until cancelled."""
        mirror = asyncio.create_task(self._mirror(), name="mirror")
        try:
            while True:
                self._changed.clear()
                wanted = {self._serving, *([self.beside] if self.beside else [])}
                for space in self._running.keys() - wanted:
                    self._running.pop(space).cancel()
                for space in wanted - self._running.keys():
                    self._running[space] = asyncio.create_task(space.run(), name="vectors")
                changed = asyncio.create_task(self._changed.wait())
                done, _ = await asyncio.wait(
                    {changed, mirror, *self._running.values()}, return_when=asyncio.FIRST_COMPLETED
                )
                changed.cancel()
                for task in done - {changed}:
                    task.result()  # neither ends but by a fault, which ends this, too
        finally:
            for task in (mirror, *self._running.values()):
                task.cancel()
            self._running.clear()

    async def open(self) -> None:
        """As VectorSpace: open the serving space anew."""
        await self._serving.open()

    async def embed(self, text: str) -> Embedding:
        """As VectorSpace."""
        return await self._serving.embed(text)

    async def describe(self) -> tuple[str, int]:
        """As VectorSpace."""
        return await self._serving.describe()

    async def search(
        self, embedding: Embedding, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """As VectorSpace."""
        return await self._serving.search(
            embedding, place=place, scope=scope, limit=limit, min_similarity=min_similarity, now=now
        )

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """As VectorSpace."""
        return await self._serving.fetch(tenant, entry_id)

    async def insert(self, items: Sequence[tuple[Entry, Embedding]]) -> None:
        """As VectorSpace; what finds no room on the way to the other space is a lapse, made good by another walk."""
        await self._serving.insert(items)
        carrying = self._carrying
        if carrying is None:
            return
        for entry, _ in items:
            try:
                self._queue.put_nowait((entry, carrying))
            except asyncio.QueueFull:
                self._lapse(1, "the queue to the other vectors is full")

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """As VectorSpace: from the serving space first, see `Carrying`."""
        removed = await self._serving.delete(tenant, entry_ids)
        beside = self.beside
        return removed if beside is None else max(removed, await beside.delete(tenant, entry_ids))

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """As VectorSpace, through both: what is only in the other one must not come back with it."""
        beside = self.beside
        if not after.startswith(_BESIDE):
            page = await self._serving.select(tenant, conditions, now=now, limit=limit, after=after)
            return page if page.after or beside is None else replace(page, after=_BESIDE)
        if beside is None:
            raise StoreUnavailable("the vectors were switched during a walk")
        if conditions.likeness is not None:
            embedding = await beside.embed(conditions.likeness.text)
            conditions = replace(conditions, likeness=replace(conditions.likeness, embedding=embedding))
        page = await beside.select(tenant, conditions, now=now, limit=limit, after=after.removeprefix(_BESIDE))
        return replace(page, after=page.after and _BESIDE + page.after)

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As VectorSpace."""
        return await self._serving.walk(tenant, conditions, now=now, limit=limit, after=after)

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """As VectorSpace."""
        return await self._serving.present(tenant, entry_ids)

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """As VectorSpace; the epoch hides what the other space keeps for lack of an answer."""
        if self.beside is not None:
            with suppress(StoreUnavailable):
                await self.beside.delete_namespace(tenant, namespace, before_epoch=before_epoch)
        return await self._serving.delete_namespace(tenant, namespace, before_epoch=before_epoch)

    async def expire(self, *, now: float) -> int:
        """As VectorSpace."""
        if self.beside is not None:
            with suppress(StoreUnavailable):
                await self.beside.expire(now=now)
        return await self._serving.expire(now=now)

    async def count(self, tenant: str | None = None) -> int:
        """As VectorSpace."""
        return await self._serving.count(tenant)

    async def ping(self) -> None:
        """As VectorSpace."""
        await self._serving.ping()

    async def close(self) -> None:
        """As VectorSpace."""
        for space in (self._serving, self.beside):
            if space is not None:
                await space.close()

    async def _mirror(self) -> None:
        while True:
            entry, carrying = await self._queue.get()
            try:
                await carrying.carry([entry])
            except StoreUnavailable as error:
                self._lapse(1, str(error))

    def _lapse(self, count: int, cause: str) -> None:
        self.lapses += count
        telemetry.dependency_failed("mirror")
        _log.debug("an entry was not carried into the other vectors", extra={"cause": cause})
