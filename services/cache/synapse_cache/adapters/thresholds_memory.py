"""Thresholds in memory: for tests, and for several books in one process."""

from __future__ import annotations

from collections.abc import Mapping

from synapse_cache.thresholds.thresholds import Level


class MemoryThresholdStore:
    """ThresholdStore in a dictionary; nothing outlives the process."""

    def __init__(self) -> None:
        self._version = 0
        self._levels: dict[str, Level] = {}

    async def version(self) -> int:
        """As in ThresholdStore."""
        return self._version

    async def load(self) -> tuple[int, dict[str, Level]]:
        """As in ThresholdStore."""
        return self._version, dict(self._levels)

    async def put(self, tenant: str, level: Level, *, after: int) -> int:
        """As in ThresholdStore."""
        if after != self._version:
            return 0
        self._levels.pop(tenant, None)
        if level != Level():
            self._levels[tenant] = level
        self._version += 1
        return self._version

    async def restore(self, version: int, levels: Mapping[str, Level]) -> None:
        """As in ThresholdStore."""
        if version > self._version:
            self._version, self._levels = version, dict(levels)

    async def close(self) -> None:
        """As in ThresholdStore."""
