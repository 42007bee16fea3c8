"""Storing answers: accepted once they are in the journal, then written to every store behind it.

The writer is one task. What a store refuses stays in the journal and is tried again, so an accepted answer survives
an outage of either store and a kill of the process.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import telemetry
from synapse_cache.flights.stale import stale_until
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.model import Entry
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Answer, Embedding, Place, Policy, Question
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.ports import Journal
    from synapse_cache.thresholds.thresholds import ThresholdSource

_log = logging.getLogger("synapse.cache.writer")
_BATCH = 64
_QUEUE = 4_096
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 15.0
_STORE_TIMEOUT_SECONDS = 10.0
_FORGOTTEN = 10_000
_REFUSALS_TO_GIVE_UP = 3
_FAILURES = (StoreUnavailable, TimeoutError, OSError)
_Item: TypeAlias = "tuple[Entry, Embedding | None]"


@dataclass(frozen=True, slots=True)
class WriteRules:
    """How long answers are kept, by the tenants' thresholds, and whether they may be found by meaning."""

    thresholds: ThresholdSource
    semantic: bool = True


class Writer:
    """Accepts answers and writes them to the stores."""

    def __init__(
        self,
        stores: Stores,
        journal: Journal,
        recent: RecentWrites,
        rules: WriteRules,
        *,
        recalls: Recalls | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._journal = journal
        self._recent = recent
        self._rules = rules
        self._recalls = Recalls() if recalls is None else recalls
        self._clock = clock
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_QUEUE)
        self._overflowed = False
        self._in_exact: set[str] = set()
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._refusals: dict[str, int] = {}
        self._forgotten: OrderedDict[str, str] = OrderedDict()

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
        return entry if await self.take_in(entry, embedding) else None

    async def take_in(self, entry: Entry, embedding: Embedding | None = None) -> bool:
        """Accept an entry as it is; false when the journal cannot take it."""
        try:
            await self._journal.append(entry)
        except OSError as error:
            telemetry.stored("journal_unavailable")
            _log.warning("answer not stored: the journal refused it", extra={"cause": str(error)})
            return False
        known = embedding if entry.prompt is not None else None
        self._recent.add(entry, known, now=self._clock())
        telemetry.stored("stored")
        if self._queue.full():  # what finds no room is read from the journal later
            self._overflowed = True
        else:
            self._queue.put_nowait((entry, known))
        return True

    @property
    def waiting(self) -> int:
        """How many accepted entries wait to be written, as far as they found room in the queue."""
        return self._queue.qsize()

    def has_forgotten(self, entry_id: str) -> bool:
        """Whether an entry was invalidated lately, so that it is written no more."""
        return entry_id in self._forgotten

    def written(self, entry: Entry) -> asyncio.Future[None]:
        """Done once the exact store has `entry`, lately accepted; cancelled when that is given up."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited[entry.id] = future
        future.add_done_callback(lambda _: self._awaited.pop(entry.id, None))
        return future

    async def forget(self, tenant: str, entry_ids: Sequence[str]) -> None:
        """Stop writing entries that were invalidated; what is being written at the moment is taken back afterwards."""
        for entry_id in entry_ids:
            self._forgotten[entry_id] = tenant
            if len(self._forgotten) > _FORGOTTEN:
                self._forgotten.popitem(last=False)
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
        thresholds = self._rules.thresholds.of(place.tenant)
        ttl, semantic_ttl = thresholds.ttl_seconds, thresholds.semantic_ttl_seconds
        if wanted is not None:
            ttl, semantic_ttl = min(wanted, ttl), min(wanted, semantic_ttl)
        end = question.life.ends_at(now)
        expires_at = min(now + ttl, end)
        return Entry(
            id=secrets.token_hex(16),
            key=question.key,
            scope=question.scope,
            tenant=place.tenant,
            namespace=place.namespace,
            epoch=place.epoch,
            model=question.model,
            prompt=question.prompt if self._rules.semantic and not exact_only else None,
            answer=answer.payload,
            tokens=answer.tokens,
            cost_nanos=answer.cost_nanos,
            made_in_seconds=answer.made_in_seconds,
            created_at=now,
            expires_at=expires_at,
            semantic_expires_at=min(now + semantic_ttl, end),
            tags=policy.tags,
            stale_until=stale_until(expires_at, thresholds) if end == math.inf else 0.0,
        )

    def _waiting(self) -> list[_Item]:
        """What is in the queue already, at most a batch of it."""
        return [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), _BATCH - 1))]

    async def _leftovers(self) -> list[_Item]:
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
        return [(entry, self._recent.embedding_of(entry)) for entry in entries]

    async def _has_leftovers(self) -> bool:
        try:
            count = await self._journal.pending_count()
        except OSError:
            return False
        telemetry.journal_pending(count)
        return count > 0

    async def _write(self, batch: list[_Item]) -> bool:
        """Write `batch` to every store; false when it must be tried again later.

        A batch that fails is tried entry by entry: one entry that no store takes must not hold up the others for ever.
        """
        if await self._deliver(batch):
            return True
        written = refused = 0
        for item in batch if len(batch) > 1 else ():
            if await self._deliver([item]):
                written += 1
            else:
                refused += 1
                if written:
                    await self._count_refusal(item[0])
            if refused > written + 1:
                break
        _log.warning("answers wait in the journal", extra={"count": len(batch) - written})
        return False

    async def _deliver(self, batch: list[_Item]) -> bool:
        """Write `batch` to both stores and settle it; whether both took all of it."""
        now = self._clock()
        await self._withdraw([entry for entry, known in batch if self._recalls.cover(entry, known)])
        batch = [item for item in batch if item[0].id not in self._forgotten]
        to_exact = [entry for entry, _ in batch if entry.kept_until > now and entry.id not in self._in_exact]
        to_vectors = [item for item in batch if item[0].prompt is not None and item[0].semantic_expires_at > now]
        exact_took = await self._attempt(self._write_exact(to_exact))
        vectors_took = await self._attempt(self._write_vectors(to_vectors))
        done = [entry.id for entry, _ in batch]
        if not (exact_took and vectors_took and await self._attempt(self._journal.settle(done))):
            return False
        self._in_exact.difference_update(done)
        await self._withdraw([entry for entry, known in batch if self._recalls.cover(entry, known)])
        await self._take_back([entry for entry, _ in batch if entry.id in self._forgotten])
        for entry_id in done:
            self._refusals.pop(entry_id, None)
        return True

    async def _withdraw(self, entries: list[Entry]) -> None:
        """Forget entries that were invalidated while they waited, some of them perhaps written before a restart."""
        for entry in entries:
            await self.forget(entry.tenant, [entry.id])
        await self._take_back(entries)

    async def _take_back(self, entries: list[Entry]) -> None:
        """Remove entries that were invalidated while they were being written."""
        for entry in entries:
            await self._attempt(self._remove(entry))

    async def _remove(self, entry: Entry) -> None:
        await self._stores.exact.delete(entry.tenant, entry.id)
        await self._stores.vectors.delete(entry.tenant, [entry.id])
        self._recent.forget(entry.tenant, entry.id)

    async def _attempt(self, work: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                await work
        except _FAILURES as error:
            telemetry.dependency_failed("writer")
            _log.debug("a store did not take an answer", extra={"cause": str(error) or repr(error)})
            return False
        return True

    async def _write_exact(self, entries: list[Entry]) -> None:
        for entry in entries:
            if not self._recent.has_newer(entry):
                await self._stores.exact.put(entry)
            self._in_exact.add(entry.id)
            awaited = self._awaited.get(entry.id)
            if awaited is not None and not awaited.done():
                awaited.set_result(None)

    async def _write_vectors(self, items: list[_Item]) -> None:
        rows: list[tuple[Entry, Embedding]] = []
        for entry, known in items:
            if known is not None and known.fingerprint == self._stores.vectors.fingerprint:
                rows.append((entry, known))
                continue
            embedding = await self._stores.embedder.embed(entry.prompt or "")
            if self._recalls.cover(entry, embedding):
                await self._withdraw([entry])
                continue
            if not embedding.truncated:  # or it is longer than the embedder sees, and found by its exact key only
                rows.append((entry, embedding))
                if not self._recent.has_newer(entry):
                    self._recent.add(entry, embedding, now=self._clock())
        if rows:
            await self._stores.vectors.insert(rows)
            self._recent.in_store((entry for entry, _ in rows), now=self._clock())

    async def _count_refusal(self, entry: Entry) -> None:
        """Give an entry up that was refused again and again while others were taken."""
        self._refusals[entry.id] = self._refusals.get(entry.id, 0) + 1
        if self._refusals[entry.id] >= _REFUSALS_TO_GIVE_UP:
            _log.error("an answer that no store takes was given up", extra={"entry_id": entry.id})
            telemetry.stored("given_up")
            await self.forget(entry.tenant, [entry.id])
