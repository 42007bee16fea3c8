"""The log of requests and the savings, over the Redis that replicas share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.log_redis import RedisRequestLog
from synapse_cache.adapters.savings_redis import RedisSavings
from synapse_cache.analytics.logbook import Logbook
from synapse_cache.analytics.request_log import LogRules, RequestLogger
from synapse_cache.analytics.savings import SavingsCounter, SavingsReport
from synapse_cache.rpc.analytics import AnalyticsRpc
from synapse_cache.rpc.simulation import SimulationRpc
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.followers import Follower
    from synapse_cache.settings import CacheSettings
    from synapse_cache.thresholds.thresholds import ThresholdSource

_TIMEOUT_SECONDS = 2.0
_CONNECTIONS = 4
_DRAIN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Analytics:
    """Who follows the requests, and the faces that tell what was noted."""

    followers: tuple[Follower, ...]
    faces: tuple[object, ...]


@asynccontextmanager
async def analytics(settings: CacheSettings, thresholds: ThresholdSource) -> AsyncIterator[Analytics]:
    """The followers and faces, writing behind the replies until the block ends."""
    url, prefix = settings.redis_url.get_secret_value(), settings.redis_prefix
    link = RedisLink(url, timeout_seconds=_TIMEOUT_SECONDS, max_connections=_CONNECTIONS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(link.close)
        saved = RedisSavings(link, prefix=prefix)
        counter = SavingsCounter(saved)
        followers: list[Follower] = [counter]
        logbook = None
        work = {"savings": counter.run}
        stack.push_async_callback(counter.drain, seconds=_DRAIN_SECONDS)
        if settings.log.entries:
            log = RedisRequestLog(link, most=settings.log.entries, seconds=settings.log.ttl_seconds, prefix=prefix)
            logger = RequestLogger(log, thresholds, LogRules(settings.log.prompts, settings.log.vectors))
            stack.push_async_callback(logger.drain, seconds=_DRAIN_SECONDS)
            logbook = Logbook(log, logger)
            followers.append(logger)
            work["log"] = logger.run
        await stack.enter_async_context(background(**work))
        faces = (AnalyticsRpc(logbook, SavingsReport(saved, counter)), SimulationRpc(logbook, thresholds))
        yield Analytics(tuple(followers), faces)
