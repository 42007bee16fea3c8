"""GetStats: the tallies, the stores' sizes and the state of every dependency."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2 as wire
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.analytics.tallies import SharedTallies
    from synapse_cache.lookup import Stores
    from synapse_cache.ports import Journal
    from synapse_cache.reembedding.spaces import Spaces

_WAIT_SECONDS = 1.0


class Report:
    """Makes the statistics that the wire shows."""

    def __init__(self, tallies: SharedTallies, stores: Stores, journal: Journal, space: Spaces) -> None:
        self._tallies = tallies
        self._stores = stores
        self._journal = journal
        self._space = space
        self._started_at = time.time()

    async def stats(self, tenant: str | None) -> wire.GetStatsResponse:
        """The statistics of one tenant, or of all, on every replica."""
        tally, replicas = await self._tallies.of(tenant)
        reply = wire.GetStatsResponse(
            requests=tally.hits + tally.misses + tally.bypasses,
            hits=tally.hits,
            hits_exact=tally.hits_exact,
            hits_semantic=tally.hits_semantic,
            misses=tally.misses,
            bypasses=tally.bypasses,
            cache_hit_rate=tally.hit_rate,
            stores=tally.stores,
            collapsed=tally.collapsed,
            tokens_saved=tally.tokens_saved,
            cost_saved=tally.cost_saved_nanos / 1e9,
            miss_reasons=tally.miss_reasons,
            entries=await self._entries(tenant),
            journal_pending=await self._pending(),
            dependencies={
                guard.name: guard.state
                for guard in (self._stores.exact_guard, self._stores.vectors_guard, self._stores.embed_guard)
            },
            embedder=self._space.fingerprint,
            replicas=replicas,
        )
        reply.start_time.FromMicroseconds(int(self._started_at * 1e6))
        return reply

    async def _entries(self, tenant: str | None) -> int:
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await self._stores.vectors.count(tenant)
        except (StoreUnavailable, TimeoutError):
            return -1

    async def _pending(self) -> int:
        try:
            return await self._journal.pending_count()
        except OSError:
            return -1
