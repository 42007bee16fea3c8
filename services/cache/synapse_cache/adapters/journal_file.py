"""The journal in a file, written by a thread of its own: appends that arrive together share one commit."""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from synapse_cache import telemetry
from synapse_cache.adapters.codec import CorruptEntry, decode, encode
from synapse_cache.adapters.journal_sqlite import JournalFile
from synapse_cache.adapters.rejected import reject
from synapse_cache.model import Entry

_Step: TypeAlias = "Callable[[JournalFile], Any]"
_Job: TypeAlias = "tuple[_Step, asyncio.Future[Any]]"
_log = logging.getLogger("synapse.cache.journal")
_MAX_BATCH = 256
_MAX_WAITING = 10_000
_CLOSE_SECONDS = 10.0


class FileJournal:
    """Journal in the file `path`, made by `open`.

    An entry survives a kill of the process once `append` returns, and a loss of power `sync_seconds` later. Holding
    `max_bytes`, a full disk, a disk that takes longer than `timeout_seconds` or too many waiting: OSError.
    """

    def __init__(self, file: JournalFile, *, sync_seconds: float, timeout_seconds: float) -> None:
        self._file = file
        telemetry.journal_size(file.size_bytes, max_bytes=file.max_bytes)
        self._sync_seconds = sync_seconds
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    async def open(
        cls, path: Path, *, max_bytes: int = 1 << 30, sync_seconds: float = 1.0, timeout_seconds: float = 5.0
    ) -> FileJournal:
        """The journal at `path`, begun when there is none; raises OSError when it cannot be had."""
        file = await asyncio.to_thread(JournalFile, path, max_bytes=max_bytes)
        return cls(file, sync_seconds=sync_seconds, timeout_seconds=timeout_seconds)

    async def append(self, entry: Entry) -> None:
        """As in Journal."""
        data = encode(entry)
        await self._run(lambda file: file.append(entry.id, data))

    async def settle(self, entry_ids: Sequence[str]) -> None:
        """As in Journal."""
        ids = tuple(entry_ids)
        await self._run(lambda file: file.settle(ids))

    async def pending(self, *, limit: int) -> list[Entry]:
        """As in Journal; a row that is no entry is removed and counted."""
        entries: list[Entry] = await self._run(lambda file: _pending(file, limit))
        return entries

    async def pending_count(self) -> int:
        """As in Journal."""
        return int(await self._run(lambda file: file.count))

    async def close(self) -> None:
        """As in Journal; what was appended before is written."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    async def _run(self, step: _Step) -> Any:
        if self._closed:
            raise OSError(errno.EBADF, "the journal is closed")
        if self._jobs.qsize() >= _MAX_WAITING:
            raise OSError(errno.EAGAIN, "too many writes wait for the journal")
        done = self._loop.create_future()
        self._jobs.put((step, done))
        async with asyncio.timeout(self._timeout_seconds):
            return await done

    def _work(self) -> None:
        """The thread: batches of jobs, each a transaction, and a sync `sync_seconds` after the first."""
        sync_at: float | None = None
        closing = False
        while not closing:
            batch, closing = self._batch(None if sync_at is None else max(0.0, sync_at - time.monotonic()))
            if batch:
                self._run_batch(batch)
                sync_at = sync_at or time.monotonic() + self._sync_seconds
            if sync_at is not None and time.monotonic() >= sync_at:
                self._quietly(self._file.sync)
                sync_at = None
        self._quietly(self._file.close)

    def _batch(self, wait_seconds: float | None) -> tuple[list[_Job], bool]:
        """Jobs that wait, after at most `wait_seconds` for the first; and whether the journal closes after them."""
        batch: list[_Job] = []
        try:
            job = self._jobs.get(timeout=wait_seconds)
            while job is not None:
                batch.append(job)
                if len(batch) == _MAX_BATCH:
                    return batch, False
                job = self._jobs.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _run_batch(self, batch: list[_Job]) -> None:
        try:
            results = self._file.run([step for step, _ in batch])
        except Exception as error:  # noqa: BLE001  # the thread's outer edge: those who wait must hear of it
            telemetry.journal_failed()
            _log.exception("journal write failed")
            failure = error if isinstance(error, OSError) else OSError(errno.EIO, repr(error))
            results = [failure] * len(batch)
        telemetry.journal_size(self._file.size_bytes, max_bytes=self._file.max_bytes)
        futures = [done for _, done in batch]
        try:
            self._loop.call_soon_threadsafe(_resolve, futures, results)
        except RuntimeError:
            _log.warning("the event loop ended before the journal")

    @staticmethod
    def _quietly(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError:
            telemetry.journal_failed()
            _log.exception("journal not synced")


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any]) -> None:
    for done, result in zip(futures, results, strict=True):
        if done.done():
            continue
        if isinstance(result, OSError):
            done.set_exception(result)
        else:
            done.set_result(result)


def _pending(file: JournalFile, limit: int) -> list[Entry]:
    entries = []
    for entry_id, data in file.pending(limit):
        try:
            entries.append(decode(data))
        except CorruptEntry as error:
            reject("journal", "corrupt", str(error))
            file.settle([entry_id])
    return entries
