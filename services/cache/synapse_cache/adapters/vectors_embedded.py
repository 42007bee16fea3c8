"""The vector store for one machine: a SQLite file, and 8-bit codes of its vectors in memory that searches sweep.

Why this and not an approximate index: docs/adr/0003-embedded-vector-store.md.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from synapse_cache.adapters import vectors_embedded_file as file
from synapse_cache.adapters import vectors_embedded_selection as selection
from synapse_cache.adapters.vectors_embedded_index import Index, Partition, Spot
from synapse_cache.adapters.vectors_embedded_writer import Writer
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Leg, Page
    from synapse_cache.model import Entry, Match, Place, Vector

T = TypeVar("T")

MEMORY_LIMIT_BYTES = 256 * 1024 * 1024
_READERS = 2
_INLINE_ROWS = 8192
"""A sweep this long takes 0.15 ms: less than to ask a thread for it."""
_DELETED_AT_ONCE = 1000
_MIN_CANDIDATES = 16
_CANDIDATES_PER_MATCH = 4


class EmbeddedVectorStore:
    """VectorStore over one file per vector space; one process at a time has it open."""

    shared = False

    def __init__(self, path: Path, writer: Writer, lock: int, *, dimension: int, memory_limit_bytes: int) -> None:
        self._path = path
        self._writer = writer
        self._lock = lock
        self._dimension = dimension
        self._index = Index(dimension, memory_limit_bytes=memory_limit_bytes)
        self._mine = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="synapse-vectors-reader")
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        fingerprint: str,
        dimension: int,
        memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
        size_limit_bytes: int | None = None,
    ) -> EmbeddedVectorStore:
        """Open the store of this vector space in the folder `path`, made if need be; raises StoreUnavailable.

        `memory_limit_bytes` bounds the codes held in memory, `size_limit_bytes` the file.
        """
        where = file.file_of(path, fingerprint, dimension)

        def start() -> tuple[Writer, int]:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = file.lock(where)
            try:
                db = file.connect(where, writing=True)
                file.set_up(db, fingerprint=fingerprint, dimension=dimension, size_limit_bytes=size_limit_bytes)
            except BaseException:
                os.close(lock)
                raise
            return Writer(db, where), lock

        with file.explained(where):
            writer, lock = await asyncio.to_thread(start)
        return cls(where, writer, lock, dimension=dimension, memory_limit_bytes=memory_limit_bytes)

    @property
    def memory_bytes(self) -> int:
        """Memory that the codes take now."""
        return self._index.bytes

    async def search(
        self, vector: Vector, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """As the port says."""
        self._check(vector)
        spot = (place, scope)
        find = partial(self._candidates, vector=vector, limit=limit, min_similarity=min_similarity, now=now)
        rank = partial(file.rank, vector=vector, limit=limit, min_similarity=min_similarity)
        known = self._index.get(spot)
        if known is None or len(known) > _INLINE_ROWS:
            return await self._read(lambda db: rank(db, find(self._load(db, spot))))
        numbers = find(known)
        return self._read_here(lambda db: rank(db, numbers)) if numbers else []

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """As the port says."""
        return await self._read(lambda db: file.fetch(db, tenant, entry_id))

    async def insert(self, items: Sequence[tuple[Entry, Vector]]) -> None:
        """As the port says."""
        for _, vector in items:
            self._check(vector)
        await self._writer.run(lambda db: file.insert(db, items), self._index.add)

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """As the port says."""
        return _total(await self._writer.run(lambda db: file.delete_ids(db, tenant, entry_ids), self._index.kill))

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """As the port says."""
        return await self._read(
            lambda db: selection.select(db, tenant, conditions, now=now, limit=limit, after=int(after or 0))
        )

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As the port says."""
        return await self._read(
            lambda db: selection.walk(db, tenant, conditions, now=now, limit=limit, after=int(after or 0))
        )

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """As the port says."""
        return await self._read(lambda db: selection.present(db, tenant, entry_ids))

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """As the port says."""
        return await self._delete_all(
            lambda db: file.delete_old_epochs(db, tenant, namespace, before_epoch, limit=_DELETED_AT_ONCE)
        )

    async def expire(self, *, now: float) -> int:
        """As the port says."""
        return await self._delete_all(lambda db: file.delete_expired(db, now, limit=_DELETED_AT_ONCE))

    async def count(self, tenant: str | None = None) -> int:
        """As the port says."""
        return await self._read(lambda db: file.count(db, tenant))

    async def ping(self) -> None:
        """As the port says."""
        await self._read(lambda db: db.execute("SELECT 1 FROM about").fetchone())

    async def drop(self) -> None:
        """As the port says."""
        await self.close()
        with file.explained(self._path):
            await asyncio.to_thread(file.remove, self._path)

    async def close(self) -> None:
        """As the port says."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._readers.shutdown(cancel_futures=True)
        for db in self._connections:
            db.close()
        self._writer.close()
        os.close(self._lock)

    async def _delete_all(self, delete_some: Callable[[sqlite3.Connection], file.Removed]) -> int:
        """Delete in small transactions, so that inserts get their turn in between."""
        total = 0
        while some := _total(await self._writer.run(delete_some, self._index.kill)):
            total += some
        return total

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreUnavailable(f"vector store {self._path}: closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_here, work)

    def _read_here(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs in a reader thread, or on the event loop where a dozen rows are cheaper to read than to hand over.

        Each thread keeps a connection.
        """
        if self._closed:
            raise StoreUnavailable(f"vector store {self._path}: closed")
        with file.explained(self._path):
            db: sqlite3.Connection | None = getattr(self._mine, "db", None)
            if db is None:
                db = self._mine.db = file.connect(self._path, writing=False)
                self._connections.append(db)
            return work(db)

    def _load(self, db: sqlite3.Connection, spot: Spot) -> Partition:
        return self._index.load(spot, lambda: file.codes(db, spot, limit=self._index.max_rows))

    @staticmethod
    def _candidates(
        partition: Partition, *, vector: Vector, limit: int, min_similarity: float, now: float
    ) -> list[int]:
        wanted = max(_MIN_CANDIDATES, limit * _CANDIDATES_PER_MATCH)
        return partition.nearest(vector, limit=wanted, min_similarity=min_similarity, now=now)

    def _check(self, vector: Vector) -> None:
        if vector.shape != (self._dimension,):
            raise StoreUnavailable(
                f"a vector of shape {vector.shape} is not of this store's {self._dimension} dimensions"
            )


def _total(removed: file.Removed) -> int:
    return sum(map(len, removed.values()))
