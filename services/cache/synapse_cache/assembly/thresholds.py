"""The thresholds of every tenant, out of the settings and the store that replicas share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache.adapters.thresholds_redis import RedisThresholdStore
from synapse_cache.thresholds.threshold_book import ThresholdBook
from synapse_cache.thresholds.thresholds import Thresholds
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.settings import CacheSettings


@asynccontextmanager
async def threshold_book(settings: CacheSettings) -> AsyncIterator[ThresholdBook]:
    """The book, read once before anything is served, and following the store until the block ends."""
    store = RedisThresholdStore.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
    book = ThresholdBook(thresholds_of(settings), store)
    try:
        await book.follow()
        async with background(thresholds=book.run):
            yield book
    finally:
        await store.close()


def thresholds_of(settings: CacheSettings) -> Thresholds:
    """What holds where no operator set anything else."""
    return Thresholds(
        hit_similarity=settings.hit_similarity,
        partial_similarity=min(settings.min_similarity, settings.hit_similarity),
        ttl_seconds=settings.ttl_seconds,
        semantic_ttl_seconds=settings.semantic_ttl_seconds,
        max_error=settings.max_error,
        shadow=settings.shadow,
        audit_share=settings.audit_share,
        stale_while_revalidate_seconds=settings.stale_while_revalidate_seconds,
        stale_if_error_seconds=settings.stale_if_error_seconds,
    )
