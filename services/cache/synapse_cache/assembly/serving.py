"""Answering requests, put together: by which rules, and how replicas share calls to the backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from synapse_cache.adapters.leases_redis import RedisLeases
from synapse_cache.flights.sharing import Sharing, SharingRules
from synapse_cache.read_through import ServingRules
from synapse_cache.rpc.coalescer import CoalescerRpc
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.lookup import Stores
    from synapse_cache.read_through import ReadThrough
    from synapse_cache.settings import CacheSettings
    from synapse_cache.writer import Writer

_DRAIN_SECONDS = 5.0


def serving_rules(settings: CacheSettings) -> ServingRules:
    """Times that requests are answered by."""
    hedge_ms = settings.hedge_after_ms
    return ServingRules(
        settings.upstream_timeout_seconds, None if hedge_ms is None else hedge_ms / 1000, settings.pad_hits_ms / 1000
    )


def opened_sharing(settings: CacheSettings, stores: Stores, writer: Writer) -> Sharing | None:
    """What shares calls with other replicas, where the settings want that; nothing is connected yet."""
    wanted = settings.coalescing
    if not wanted.across_replicas:
        return None
    leases = RedisLeases.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
    rules = SharingRules(wanted.wait_ms / 1000, wanted.stream_wait_ms / 1000, wanted.lease_ms / 1000)
    return Sharing(leases, stores, writer, rules)


@asynccontextmanager
async def coalescing(cache: ReadThrough, sharing: Sharing | None) -> AsyncIterator[CoalescerRpc]:
    """The face of the calls under way; at the end what goes on behind the replies is waited for."""
    try:
        if sharing is None:
            yield CoalescerRpc(cache.calls)
            return
        async with background(leases=sharing.run, replicas=partial(sharing.hear, cache.calls.flush)):
            yield CoalescerRpc(cache.calls)
    finally:
        await cache.drain(seconds=_DRAIN_SECONDS)
        if sharing is not None:
            await sharing.drain(seconds=_DRAIN_SECONDS)
            await sharing.close()
