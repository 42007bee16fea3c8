"""Storing answers: accepted once they are in the journal, then written to every store behind it.

The writer is one task. What a store refuses stays in the journal and is tried again, so an accepted answer survives
an outage of either store and a kill of the process.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.model import Entry
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Answer, Embedding, Place, Policy, Question, Vector
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.ports import Journal

_log = logging.getLogger("synapse.cache.writer")
_BATCH = 64
_QUEUE = 4_096
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 15.0
_STORE_TIMEOUT_SECONDS = 10.0
_UNEXPECTED = (StoreUnavailable, TimeoutError, OSError)


class Writer:
    """Accepts answers and writes them to the stores."""

    def __init__(
        self,
        stores: Stores,
        journal: Journal,
        recent: RecentWrites,
        *,
        ttl_seconds: float,
        semantic_ttl_seconds: float,
        semantic: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._journal = journal
        self._recent = recent
        self._ttl = ttl_seconds
        self._semantic_ttl = semantic_ttl_seconds
        self._semantic = semantic
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Entry, Vector | None]] = asyncio.Queue(_QUEUE)
        self._overflowed = False
        self._half_done: set[str] = set()
        self._forgotten: set[str] = set()

    async def accept(
        self,
        question: Question,
        answer: Answer,
        place: Place,
        policy: Policy,
        *,
        embedding: Embedding | None = None,
        exact_only: bool = False,
    ) -> Entry | None:
        """Accept an answer that passed the write gates; None when the journal cannot take it."""
        entry = self._entry(question, answer, place, policy, exact_only=exact_only)
        try:
            await self._journal.append(entry)
        except OSError as error:
            telemetry.stored("journal_unavailable")
            _log.warning("answer not stored: the journal refused it", extra={"cause": str(error)})
            return None
        vector = None if entry.prompt is None or embedding is None else embedding.vector
        self._recent.add(entry, vector, now=self._clock())
        telemetry.stored("stored")
        if self._queue.full():  # what finds no room is read from the journal later
            self._overflowed = True
        else:
            self._queue.put_nowait((entry, vector))
        return entry

    async def forget(self, entry_ids: Sequence[str]) -> None:
        """Stop writing entries that were invalidated."""
        self._forgotten.update(entry_ids)
        try:
            await self._journal.settle(entry_ids)
        except OSError as error:
            _log.warning("journal could not forget", extra={"cause": str(error)})

    async def run(self) -> None:
        """Write accepted answers until cancelled; what the journal holds from before comes first."""
        retry = _FIRST_RETRY_SECONDS
        behind = True
        while True:
            batch = await self._leftovers() if behind else [await self._queue.get(), *self._waiting()]
            if await self._write(batch):
                behind = bool(batch) if behind else self._overflowed
                retry = _FIRST_RETRY_SECONDS
            else:
                behind = True
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY_SECONDS)

    async def drain(self, *, seconds: float) -> None:
        """Wait until what was accepted is written, at most `seconds`; what is left stays in the journal."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and await self._has_leftovers():  # noqa: ASYNC110  # the journal has no event
            await asyncio.sleep(0.02)

    def _entry(self, question: Question, answer: Answer, place: Place, policy: Policy, *, exact_only: bool) -> Entry:
        now = self._clock()
        wanted = policy.ttl_seconds
        ttl = self._ttl if wanted is None else min(wanted, self._ttl)
        semantic_ttl = self._semantic_ttl if wanted is None else min(wanted, self._semantic_ttl)
        return Entry(
            id=secrets.token_hex(16),
            key=question.key,
            scope=question.scope,
            tenant=place.tenant,
            namespace=place.namespace,
            epoch=place.epoch,
            model=question.model,
            prompt=question.prompt if self._semantic and not exact_only else None,
            answer=answer.payload,
            tokens=answer.tokens,
            created_at=now,
            expires_at=now + ttl,
            semantic_expires_at=now + semantic_ttl,
            tags=policy.tags,
        )

    def _waiting(self) -> list[tuple[Entry, Vector | None]]:
        """What is in the queue already, at most a batch of it."""
        return [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), _BATCH - 1))]

    async def _leftovers(self) -> list[tuple[Entry, Vector | None]]:
        """The oldest answers of the journal; the queue is emptied, since all of it is in the journal too."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._overflowed = False
        try:
            entries = await self._journal.pending(limit=_BATCH)
        except OSError as error:
            _log.warning("journal cannot be read", extra={"cause": str(error)})
            return []
        await self._has_leftovers()
        return [(entry, self._recent.vector_of(entry)) for entry in entries]

    async def _has_leftovers(self) -> bool:
        try:
            count = await self._journal.pending_count()
        except OSError:
            return False
        telemetry.journal_pending(count)
        return count > 0

    async def _write(self, batch: list[tuple[Entry, Vector | None]]) -> bool:
        """Write `batch` to every store and settle what arrived; whether all of it did."""
        batch = [item for item in batch if item[0].id not in self._forgotten]
        live = [item for item in batch if max(item[0].expires_at, item[0].semantic_expires_at) > self._clock()]
        dead = [entry.id for entry, _ in batch if not any(entry is alive for alive, _ in live)]
        try:
            await self._write_exact([entry for entry, _ in live])
            await self._write_vectors([item for item in live if item[0].prompt is not None])
            done = [*dead, *(entry.id for entry, _ in live)]
            await self._journal.settle(done)
        except _UNEXPECTED as error:
            telemetry.dependency_failed("writer")
            _log.warning("answers wait in the journal", extra={"count": len(live), "cause": str(error) or repr(error)})
            return False
        self._half_done.difference_update(done)
        self._forgotten.clear()
        return True

    async def _write_exact(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.id not in self._half_done and entry.expires_at > self._clock():
                async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                    await self._stores.exact.put(entry)
            self._half_done.add(entry.id)

    async def _write_vectors(self, items: list[tuple[Entry, Vector | None]]) -> None:
        rows: list[tuple[Entry, Vector]] = []
        for entry, known in items:
            vector = known if known is not None else await self._vector(entry)
            if vector is not None:
                rows.append((entry, vector))
                self._recent.add(entry, vector, now=self._clock())
        if rows:
            async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                await self._stores.vectors.insert(rows)

    async def _vector(self, entry: Entry) -> Vector | None:
        """The entry's vector; None when its prompt is longer than the embedder sees."""
        async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
            embedding = await self._stores.embedder.embed(entry.prompt or "")
        return None if embedding.truncated else embedding.vector
