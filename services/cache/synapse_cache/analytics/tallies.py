"""What all replicas of the cache did together: each tells its counts, and adds the others' when it is asked."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.ports import TallyStore
    from synapse_cache.stats import Stats, Tally

_log = logging.getLogger("synapse.cache.stats")
_EVERY_SECONDS = 2.0
_ROUNDS_TO_ALL = 30
KEPT_SECONDS = 150.0
"""How long a replica's counts are known after it told them last."""
_WAIT_SECONDS = 0.5


class SharedTallies:
    """The counts of this replica, and those of the others as they last told them."""

    def __init__(self, stats: Stats, store: TallyStore, *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._stats = stats
        self._store = store
        self._every = every_seconds
        self._replica = secrets.token_hex(8)
        self._unsent: dict[str, Tally] = {}
        self._rounds = 0

    async def run(self) -> None:
        """Tell the others until cancelled; all counts once a minute, in between what changed."""
        while True:
            await self.tell()
            await asyncio.sleep(self._every)

    async def tell(self) -> None:
        """Tell what changed, or all counts where it is time for them; what could not be told is told later."""
        everything = self._rounds % _ROUNDS_TO_ALL == 0
        changes = self._stats.changes()
        self._unsent |= self._stats.everything() if everything else changes
        try:
            await self._store.post(self._replica, self._stats.total(), self._unsent)
        except StoreUnavailable as error:
            telemetry.dependency_failed("stats")
            _log.debug("counts are not shared for now", extra={"cause": str(error)})
        else:
            self._unsent = {}
            self._rounds += 1

    async def leave(self) -> None:
        """Have the others forget this replica, which is going."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._store.leave(self._replica)
        except (StoreUnavailable, TimeoutError):
            _log.debug("the other replicas will forget this one by themselves")

    async def of(self, tenant: str | None) -> tuple[Tally, int]:
        """Counts of one tenant or of all, and of how many replicas; of this one alone while the store is down."""
        own = self._stats.total() if tenant is None else self._stats.of(tenant).copy()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                others = await self._store.others(self._replica, tenant)
        except (StoreUnavailable, TimeoutError):
            return own, 1
        for tally in others:
            own += tally
        return own, 1 + len(others)
