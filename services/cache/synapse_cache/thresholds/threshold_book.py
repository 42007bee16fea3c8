"""The thresholds of every tenant: the settings, below what was set for all tenants, below what was set for one.

Every replica keeps the whole book in memory and asks the shared store several times a second whether it changed. While
the store is down, what was known last holds; at a start without it, the settings, and nothing is served then either:
the same server holds the epochs, and without an epoch every request is a miss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

from synapse_cache import telemetry
from synapse_cache.ports import StoreUnavailable, ThresholdStore
from synapse_cache.thresholds.thresholds import NAMES, Level, Thresholds
from synapse_runtime.errors import PermissionDenied, ResourceExhausted, Unavailable

_log = logging.getLogger("synapse.cache.thresholds")
ALL_TENANTS = ""
_EVERY_SECONDS = 0.3
_MOST_LEVELS = 10_000
_TRIES = 5


class ThresholdBook:
    """The thresholds in force, by tenant; a ThresholdSource."""

    def __init__(self, settings: Thresholds, store: ThresholdStore) -> None:
        self._settings = settings
        self._store = store
        self._version = 0
        self._levels: Mapping[str, Level] = {}
        self._common = settings
        self._own: dict[str, Thresholds] = {}
        self._down = False

    def of(self, tenant: str) -> Thresholds:
        """Those of one tenant; of ALL_TENANTS those without a level of their own follow."""
        return self._own.get(tenant, self._common)

    def level(self, tenant: str) -> Level:
        """What was set for one tenant, or for ALL_TENANTS."""
        return self._levels.get(tenant, _NOTHING)

    def tenants(self) -> list[str]:
        """The tenants for which something was set, in alphabetical order."""
        return sorted(self._own)

    async def change(
        self, tenant: str, level: Level, *, names: Collection[str] | None = None, may_loosen: bool = False
    ) -> None:
        """Set what holds for a tenant or for ALL_TENANTS: the thresholds of those `names`, or all of them.

        Without `may_loosen`, a tenant's `max_error` may not be set above what holds for all. Raises LevelRefused,
        PermissionDenied, ResourceExhausted, and Unavailable when the store does not answer.
        """
        try:
            for _ in range(_TRIES):
                await self.refresh()
                changed = self._changed(tenant, level, names, may_loosen=may_loosen)
                if changed == self.level(tenant) or await self._store.put(tenant, changed, after=self._version):
                    await self.refresh()
                    return
        except StoreUnavailable as error:
            raise Unavailable(f"the thresholds cannot be set now: {error}", reason="STORE_UNAVAILABLE") from error
        raise Unavailable("others are setting thresholds at the same moment", retry_after_seconds=1)

    async def refresh(self) -> None:
        """Take in what was changed anywhere; raises StoreUnavailable."""
        version = await self._store.version()
        if version == self._version:
            return
        if version > self._version:
            self._take(*await self._store.load())
            return
        _log.warning("the store has lost what was set last and is given it again", extra={"version": self._version})
        await self._store.restore(self._version, self._levels)

    async def follow(self) -> None:
        """As `refresh`, but a store that is down is logged once, and what was known last holds."""
        try:
            await self.refresh()
        except StoreUnavailable as error:
            telemetry.dependency_failed("thresholds")
            if not self._down:
                _log.warning("thresholds cannot be read: those known last hold", extra={"cause": str(error)})
            self._down = True
        else:
            if self._down:
                _log.info("thresholds can be read again")
            self._down = False

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.follow()

    def _changed(self, tenant: str, level: Level, names: Collection[str] | None, *, may_loosen: bool) -> Level:
        """The level as it is to be stored."""
        known, wider = self.level(tenant), self._common if tenant else self._settings
        names = NAMES if names is None else names
        level = replace(known, **{name: getattr(level, name) for name in names})
        level.check(wider)
        if tenant and tenant not in self._own and len(self._own) >= _MOST_LEVELS:
            raise ResourceExhausted(f"thresholds are set for {_MOST_LEVELS} tenants, which is the most")
        if level.max_error is None:
            return replace(level, only_tightens=False)
        if "max_error" not in names or (level.max_error == known.max_error and not may_loosen):
            return level
        if may_loosen:
            return replace(level, only_tightens=False)
        if level.max_error > wider.max_error:
            message = (
                f"max_error must not be above {wider.max_error:g}, which holds for all tenants: an admin may set it"
            )
            raise PermissionDenied(message, metadata={"field": "max_error"})
        return replace(level, only_tightens=True)

    def _take(self, version: int, levels: Mapping[str, Level]) -> None:
        self._version, self._levels = version, levels
        self._common = self.level(ALL_TENANTS).over(self._settings)
        self._own = {tenant: level.over(self._common) for tenant, level in levels.items() if tenant != ALL_TENANTS}
        _log.info("thresholds are in force", extra={"version": version, "tenants": len(self._own)})


_NOTHING = Level()
