"""The way from one embedder to another put together, over the Redis that replicas share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache.adapters.reembedding_redis import RedisReembedding
from synapse_cache.embedder_switch import EmbedderSwitch
from synapse_cache.migration import Migration, MigrationRules
from synapse_cache.rpc.embedder import EmbedderRpc
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.arrangement import Arrangement
    from synapse_cache.ports import ExactStore
    from synapse_cache.settings import CacheSettings

_DAY_SECONDS = 86_400.0


@asynccontextmanager
async def migrating(settings: CacheSettings, arrangement: Arrangement, exact: ExactStore) -> AsyncIterator[EmbedderRpc]:
    """The face; the plan is read once before anything is served, and followed until the block ends."""
    store = RedisReembedding.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
    wanted = settings.reembedding
    rules = MigrationRules(wanted.entries_per_second, wanted.keep_days * _DAY_SECONDS)
    migration = Migration(store, arrangement, exact, rules=rules)
    try:
        await migration.follow()
        async with background(migration=migration.run):
            yield EmbedderRpc(EmbedderSwitch(migration, arrangement.spaces, arrangement.embedders))
    finally:
        await store.close()
