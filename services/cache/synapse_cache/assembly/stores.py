"""What lookups ask, put together: Redis, the vector store of the model in use, the embedder, and the way to another."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.adapters.reembedding_redis import RedisReembedding
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.lookup import Stores
from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.arrangement import Arrangement
from synapse_cache.reembedding.migration import Migration, MigrationRules
from synapse_cache.reembedding.spaces import Spaces
from synapse_cache.reembedding.switch import EmbedderSwitch
from synapse_cache.rpc.embedder import EmbedderRpc
from synapse_cache.vector_space import VectorSpace
from synapse_runtime.background import background
from synapse_runtime.guard import Guard

if TYPE_CHECKING:
    from synapse_cache.ports import Embedders, VectorStore
    from synapse_cache.settings import CacheSettings

_DAY_SECONDS = 86_400.0
_EXPIRE_EVERY_SECONDS = 600.0
_log = logging.getLogger("synapse.cache")


@asynccontextmanager
async def opened_stores(settings: CacheSettings, embedders: Embedders) -> AsyncIterator[tuple[Stores, EmbedderRpc]]:
    """The stores, and the face that moves them to another embedder.

    They open behind the block, which nothing waits for; the plan of a move is read once before it begins.
    """
    open_vectors = partial(_open_vectors, settings)
    spaces = Spaces(VectorSpace(embedders.of(""), open_vectors))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(spaces.close)
        stores = _stores(settings, spaces)
        stack.push_async_callback(stores.exact.close)
        plan = RedisReembedding.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
        stack.push_async_callback(plan.close)
        wanted = settings.reembedding
        rules = MigrationRules(wanted.entries_per_second, wanted.keep_days * _DAY_SECONDS)
        migration = Migration(plan, Arrangement(spaces, embedders, open_vectors), stores.exact, rules=rules)
        await migration.follow()
        expire = partial(_expire, spaces)
        await stack.enter_async_context(background(vectors=spaces.run, migration=migration.run, expire=expire))
        yield stores, EmbedderRpc(EmbedderSwitch(migration, spaces, embedders))


def _stores(settings: CacheSettings, spaces: Spaces) -> Stores:
    def guard(name: str, budget_ms: float) -> Guard:
        return Guard(name, budget_seconds=budget_ms / 1000, failures=(StoreUnavailable,))

    redis_budget = settings.redis_budget_ms
    return Stores(
        exact=RedisExactStore.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix),
        vectors=spaces,
        embedder=spaces,
        exact_guard=guard("redis", redis_budget),
        vectors_guard=guard("vectors", settings.vectors_budget_ms),
        embed_guard=guard("embed", settings.embed_budget_ms),
    )


async def _open_vectors(settings: CacheSettings, fingerprint: str, dimension: int) -> VectorStore:
    """The vector store of one vector space, as the settings say."""
    if settings.vectors == "memory":
        return MemoryVectorStore()
    if settings.vectors == "milvus":
        from synapse_cache.adapters.vectors_milvus import MilvusVectorStore

        return await MilvusVectorStore.open(
            settings.milvus_endpoint,
            fingerprint=fingerprint,
            dimension=dimension,
            token=settings.milvus_token.get_secret_value(),
            database=settings.milvus_database,
        )
    from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore

    return await EmbeddedVectorStore.open(settings.data_dir / "vectors", fingerprint=fingerprint, dimension=dimension)


async def _expire(spaces: Spaces) -> None:
    """Give the room of expired entries back, every ten minutes."""
    while True:
        await asyncio.sleep(_EXPIRE_EVERY_SECONDS)
        try:
            removed = await spaces.expire(now=time.time())
        except StoreUnavailable as error:
            _log.debug("expired entries stay for now", extra={"cause": str(error)})
        else:
            _log.debug("expired entries removed", extra={"count": removed})
