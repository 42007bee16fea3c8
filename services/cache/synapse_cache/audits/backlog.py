"""Work that waits its turn beside the requests: so much of it, so many at once, and what finds no room is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from synapse_cache import telemetry

T = TypeVar("T")
_log = logging.getLogger("synapse.cache.backlog")


class Backlog(Generic[T]):
    """Does `work` for every item put in, `at_once` at the same time; at most `waiting` items wait."""

    def __init__(self, name: str, work: Callable[[T], Awaitable[None]], *, at_once: int, waiting: int) -> None:
        self._name = name
        self._work = work
        self._at_once = at_once
        self._items: asyncio.Queue[T] = asyncio.Queue(waiting)

    def put(self, item: T) -> bool:
        """Let `item` be worked on some time; false when there is no room for it."""
        if self._items.full():
            return False
        self._items.put_nowait(item)
        return True

    async def run(self) -> None:
        """Work until cancelled; what fails is logged, counted and left."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._at_once):
                workers.create_task(self._run())

    async def done(self) -> None:
        """Wait until nothing waits and nothing is worked on."""
        await self._items.join()

    async def _run(self) -> None:
        while True:
            item = await self._items.get()
            try:
                await self._work(item)
            except Exception:  # noqa: BLE001  # a task's outer edge: one item must not end the work on the others
                telemetry.dependency_failed(self._name)
                _log.exception("work in the background failed", extra={"work": self._name})
            finally:
                self._items.task_done()
