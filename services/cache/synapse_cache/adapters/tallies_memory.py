"""Counts of replicas in memory: for tests, and as the measure of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from synapse_cache.analytics.tallies import KEPT_SECONDS
from synapse_cache.stats import Tally


class MemoryTallies:
    """TallyStore of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._told: dict[str, tuple[float, dict[str, Tally]]] = {}

    async def post(self, replica: str, total: Tally, tenants: Mapping[str, Tally]) -> None:
        """As in TallyStore."""
        _, known = self._told.get(replica, (0.0, {}))
        copies = {tenant: tally.copy() for tenant, tally in tenants.items()}
        self._told[replica] = (self._clock(), {**known, **copies, "": total.copy()})

    async def others(self, replica: str, tenant: str | None) -> list[Tally]:
        """As in TallyStore."""
        oldest = self._clock() - KEPT_SECONDS
        living = [told for name, (at, told) in self._told.items() if name != replica and at > oldest]
        return [told.get(tenant or "", Tally()).copy() for told in living]

    async def leave(self, replica: str) -> None:
        """As in TallyStore."""
        self._told.pop(replica, None)
