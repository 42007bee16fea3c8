"""The re-embedding in memory: for tests, and for several replicas in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

from synapse_cache.reembedding.reembedding import Plan, Progress, View

_ALIVE_SECONDS = 5.0


class MemoryReembedding:
    """ReembeddingStore in a dictionary; nothing outlives the process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._version = 0
        self._plan: Plan | None = None
        self._told: dict[str, tuple[float, Progress]] = {}

    async def exchange(self, replica: str, progress: Progress) -> View:
        """As in ReembeddingStore."""
        now = self._clock()
        self._told[replica] = (now, progress)
        self._told = {name: told for name, told in self._told.items() if now - told[0] < _ALIVE_SECONDS}
        return View(self._version, self._plan, {name: said for name, (_, said) in self._told.items()})

    async def put(self, plan: Plan, *, after: int) -> int:
        """As in ReembeddingStore."""
        if after != self._version:
            return 0
        self._version += 1
        self._plan = plan
        return self._version

    async def restore(self, version: int, plan: Plan) -> None:
        """As in ReembeddingStore."""
        if version > self._version:
            self._version, self._plan = version, plan

    async def close(self) -> None:
        """As in ReembeddingStore."""
