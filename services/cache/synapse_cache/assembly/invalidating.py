"""Invalidation and its broadcast put together, over the Redis that replicas share."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache.adapters.trail_redis import RedisTrail
from synapse_cache.invalidation.broadcast import Broadcast
from synapse_cache.invalidation.invalidation import Invalidation
from synapse_cache.invalidation.removal import Removal
from synapse_cache.near import NearCache
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.invalidation.holdings import Holdings
    from synapse_cache.lookup import Stores
    from synapse_cache.ports import Journal
    from synapse_cache.settings import CacheSettings

_CATCH_UP_SECONDS = 2.0
_DRAIN_SECONDS = 5.0


def near_cache(settings: CacheSettings) -> NearCache:
    """The near cache that the settings ask for."""
    return NearCache(capacity=settings.near_entries, seconds=settings.near_seconds)


@asynccontextmanager
async def invalidating(
    settings: CacheSettings, stores: Stores, journal: Journal, holdings: Holdings
) -> AsyncIterator[tuple[Invalidation, Broadcast]]:
    """Hear invalidations until the block ends; those of before its beginning were heard when it begins."""
    trail = RedisTrail.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
    replica, removal = secrets.token_hex(8), Removal(stores, holdings)
    broadcast = Broadcast(trail, holdings, removal, stores.vectors, journal, replica=replica)
    invalidation = Invalidation(stores, holdings, removal, trail, replica=replica)
    try:
        await broadcast.catch_up(seconds=_CATCH_UP_SECONDS)
        async with background(broadcast=broadcast.run, sweeps=broadcast.sweep):
            yield invalidation, broadcast
            await invalidation.drain(seconds=_DRAIN_SECONDS)
    finally:
        await trail.close()
