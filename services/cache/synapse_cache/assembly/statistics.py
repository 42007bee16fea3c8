"""What the replicas counted together, over the Redis that they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.tallies_redis import RedisTallies
from synapse_cache.analytics.tallies import SharedTallies
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.settings import CacheSettings
    from synapse_cache.stats import Stats

_TIMEOUT_SECONDS = 1.0
_CONNECTIONS = 2


@asynccontextmanager
async def shared_tallies(settings: CacheSettings, stats: Stats) -> AsyncIterator[SharedTallies]:
    """The counts of all replicas; those of this one are told to the others until the block ends."""
    link = RedisLink(
        settings.redis_url.get_secret_value(), timeout_seconds=_TIMEOUT_SECONDS, max_connections=_CONNECTIONS
    )
    store = RedisTallies(link, prefix=settings.redis_prefix)
    shared = SharedTallies(stats, store)
    try:
        async with background(tallies=shared.run):
            yield shared
        await shared.leave()
    finally:
        await store.close()
