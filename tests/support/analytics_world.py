"""The whole cache in one process with its log and its savings, on in-memory adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from synapse_cache.adapters.log_memory import MemoryRequestLog
from synapse_cache.adapters.savings_memory import MemorySavings
from synapse_cache.analytics.logbook import Logbook
from synapse_cache.analytics.request_log import Logged, LogRules, RequestLogger
from synapse_cache.analytics.savings import SavingsCounter, SavingsReport
from synapse_cache.thresholds.thresholds import FixedThresholds, Thresholds
from tests.support.cache_world import CacheWorld, cache_world


@dataclass
class AnalyticsWorld:
    """The cache, what follows its requests, and where that is kept."""

    cache: CacheWorld
    log: MemoryRequestLog
    logger: RequestLogger
    logbook: Logbook
    saved: MemorySavings
    counter: SavingsCounter
    report: SavingsReport
    held: FixedThresholds

    async def logged(self, tenant: str = "acme") -> list[Logged]:
        """What was logged, newest first."""
        await self.logger.flush()
        return [one for _, one in await self.log.page(tenant, before="", limit=1_000)]


@asynccontextmanager
async def analytics_world(rules: LogRules | None = None) -> AsyncIterator[AnalyticsWorld]:
    """The cache running in this process, its requests logged and its savings counted."""
    held = FixedThresholds(Thresholds(0.5, 0.5, 3600, 7200))
    log, saved = MemoryRequestLog(most=1_000, seconds=86_400), MemorySavings()
    logger, counter = RequestLogger(log, held, rules), SavingsCounter(saved)
    async with cache_world(followers=(logger, counter)) as world:
        yield AnalyticsWorld(
            world, log, logger, Logbook(log, logger), saved, counter, SavingsReport(saved, counter), held
        )
