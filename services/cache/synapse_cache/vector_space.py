"""The vector store of the embedder in use: opened once both can be asked, so that starting waits for neither."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Leg, Page
    from synapse_cache.model import Embedding, Entry, Match, Place
    from synapse_cache.ports import Embedder, VectorStore

OpenStore: TypeAlias = Callable[[str, int], Awaitable["VectorStore"]]
_log = logging.getLogger("synapse.cache.vectors")
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 1.0
_DESCRIBE_TIMEOUT_SECONDS = 5.0
_OPEN_TIMEOUT_SECONDS = 60.0


class VectorSpace:
    """The VectorStore of the space that the embedder's vectors lie in; raises StoreUnavailable until it is open.

    `run` keeps it open: it asks the embedder for its fingerprint, opens the store of that vector space, and opens
    another one when the fingerprint changes. A vector of another space than the open one is refused, so that vectors of
    different spaces never meet.
    """

    def __init__(self, embedder: Embedder, open_store: OpenStore) -> None:
        self._embedder = embedder
        self._open_store = open_store
        self._store: VectorStore | None = None
        self._stale = asyncio.Event()
        self._stale.set()
        self.fingerprint = ""

    def pin(self, embedder: Embedder) -> None:
        """Take vectors from `embedder` from now on, which embeds into the open space."""
        self._embedder = embedder

    async def drop(self) -> None:
        """Remove the open store for good."""
        store, self._store = self._store, None
        if store is not None:
            await store.drop()

    @property
    def is_open(self) -> bool:
        """Whether there is a store to ask."""
        return self._store is not None

    async def run(self) -> None:
        """Open the store, and open it anew whenever the embedder changes, until cancelled."""
        while True:
            await self._stale.wait()
            await self.open()

    async def embed(self, text: str) -> Embedding:
        """The vector of `text`, if it lies in the open space; StoreUnavailable while the spaces differ."""
        embedding = await self._embedder.embed(text)
        if self._store is not None and embedding.fingerprint != self.fingerprint:
            self._stale.set()
            raise StoreUnavailable("the embedder changed; its vector space is being opened")
        return embedding

    async def describe(self) -> tuple[str, int]:
        """Fingerprint and dimension of the embedder's vector space."""
        return await self._embedder.describe()

    async def search(
        self, embedding: Embedding, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """As VectorStore."""
        return await self._opened(embedding).search(
            embedding.vector, place=place, scope=scope, limit=limit, min_similarity=min_similarity, now=now
        )

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """As VectorStore."""
        return await self._opened().fetch(tenant, entry_id)

    async def insert(self, items: Sequence[tuple[Entry, Embedding]]) -> None:
        """As VectorStore."""
        store = self._opened(*(embedding for _, embedding in items))
        await store.insert([(entry, embedding.vector) for entry, embedding in items])

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """As VectorStore."""
        return await self._opened().delete(tenant, entry_ids)

    @property
    def shared(self) -> bool:
        """As VectorStore; true while no store is open."""
        return self._store is None or self._store.shared

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """As VectorStore."""
        alike = (conditions.likeness.embedding,) if conditions.likeness is not None else ()
        return await self._opened(*alike).select(tenant, conditions, now=now, limit=limit, after=after)

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As VectorStore."""
        return await self._opened().walk(tenant, conditions, now=now, limit=limit, after=after)

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """As VectorStore."""
        return await self._opened().present(tenant, entry_ids)

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """As VectorStore."""
        return await self._opened().delete_namespace(tenant, namespace, before_epoch=before_epoch)

    async def expire(self, *, now: float) -> int:
        """As VectorStore."""
        return await self._opened().expire(now=now)

    async def count(self, tenant: str | None = None) -> int:
        """As VectorStore."""
        return await self._opened().count(tenant)

    async def ping(self) -> None:
        """As VectorStore."""
        await self._opened().ping()

    async def close(self) -> None:
        """As VectorStore."""
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    def _opened(self, *embeddings: Embedding) -> VectorStore:
        """The open store, which is that of the space of all `embeddings`."""
        if self._store is None:
            raise StoreUnavailable("the vector store is not open yet")
        if any(embedding.fingerprint != self.fingerprint for embedding in embeddings):
            raise StoreUnavailable("the vector is of another space than the open one")
        return self._store

    async def open(self) -> None:
        """Open the store of the embedder's space in place of the one that is open, however often that takes trying."""
        retry = _FIRST_RETRY_SECONDS
        while True:
            try:
                async with asyncio.timeout(_DESCRIBE_TIMEOUT_SECONDS):
                    fingerprint, dimension = await self._embedder.describe()
                async with asyncio.timeout(_OPEN_TIMEOUT_SECONDS):
                    store = await self._open_store(fingerprint, dimension)
            except (StoreUnavailable, TimeoutError) as error:
                _log.warning("vector store not open yet", extra={"cause": str(error) or repr(error)})
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY_SECONDS)
                continue
            await self.close()
            self._store, self.fingerprint = store, fingerprint
            self._stale.clear()
            _log.info("vector store open", extra={"fingerprint": fingerprint, "dimension": dimension})
            return
