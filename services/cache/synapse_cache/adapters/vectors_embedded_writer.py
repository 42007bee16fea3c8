"""The one thread that writes to the embedded store's file: what waits together is committed together."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from synapse_cache.adapters.vectors_embedded_file import explained
from synapse_cache.ports import StoreUnavailable

T = TypeVar("T")

_log = logging.getLogger("synapse.cache.vectors")
QUEUE_CAPACITY = 1024
GROUP_LIMIT = 256
_CLOSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    publish: Callable[[T], None]
    done: Future[T]


class Writer:
    """Runs work in transactions of one connection, one thread, in the order given.

    A group that fails is tried again one by one, so that nothing fails for what another did.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._jobs: queue.Queue[_Job[object] | None] = queue.Queue(QUEUE_CAPACITY)
        self._thread = threading.Thread(target=self._run, name="synapse-vectors-writer", daemon=True)
        self._closed = False
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T], publish: Callable[[T], None]) -> T:
        """What `work` returns, once it is committed and `publish` was called with it; raises StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable(f"vector store {self._path}: closed")
        done: Future[T] = Future()
        try:
            self._jobs.put_nowait(_Job(work, publish, done))  # type: ignore[arg-type]
        except queue.Full as error:
            raise StoreUnavailable(f"vector store {self._path}: {QUEUE_CAPACITY} writes are waiting already") from error
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Write what waits, then end the thread and the connection."""
        self._closed = True
        self._jobs.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        going = True
        while going:
            group, going = self._next_group()
            wanted = [job for job in group if job.done.set_running_or_notify_cancel()]
            try:
                self._commit(wanted)
            except Exception as error:  # noqa: BLE001 - the thread's outer edge; without it every later write would hang
                _log.exception("vector store write failed unexpectedly", extra={"path": str(self._path)})
                for job in wanted:
                    if not job.done.done():
                        job.done.set_exception(StoreUnavailable(f"vector store {self._path}: {error!r}"))
        self._db.close()

    def _next_group(self) -> tuple[list[_Job[object]], bool]:
        """Everything that waits, up to the limit, and whether more may come."""
        group: list[_Job[object]] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) >= GROUP_LIMIT:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job[object]]) -> None:
        if not group:
            return
        try:
            with explained(self._path):
                results = self._transact(group)
        except StoreUnavailable as error:
            if len(group) == 1:
                group[0].done.set_exception(error)
                return
            for job in group:
                self._commit([job])
            return
        for job, result in zip(group, results, strict=True):
            job.publish(result)
            job.done.set_result(result)

    def _transact(self, group: list[_Job[object]]) -> list[object]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            results = [job.work(self._db) for job in group]
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        return results
