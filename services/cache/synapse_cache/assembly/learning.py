"""Feedback and kinship put together, over the Redis that replicas share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.feedback_redis import RedisFeedbackLedger
from synapse_cache.adapters.kinship_redis import RedisKinshipStore
from synapse_cache.adapters.traces_redis import RedisTraceStore
from synapse_cache.feedback.feedback import Feedback, FeedbackRules
from synapse_cache.feedback.kinship_sync import KinshipSync
from synapse_cache.feedback.traces import Traces
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.feedback.kinship import Kinship
    from synapse_cache.invalidation.invalidation import Invalidation
    from synapse_cache.ports import ExactStore
    from synapse_cache.settings import CacheSettings
    from synapse_cache.trust.trust import Trust

_TIMEOUT_SECONDS = 1.0
_CONNECTIONS = 4


class Learning:
    """The follower that remembers what was served, and what feedback needs besides."""

    def __init__(self, settings: CacheSettings, link: RedisLink) -> None:
        self.traces = Traces(RedisTraceStore(link, prefix=settings.redis_prefix))
        self._ledger = RedisFeedbackLedger(link, prefix=settings.redis_prefix)
        self._rules = FeedbackRules(
            settings.feedback.reports_per_minute, settings.feedback.wrong_per_day, settings.feedback.viewers_to_evict
        )

    def feedback(self, invalidation: Invalidation, exact: ExactStore, trust: Trust) -> Feedback:
        """What takes reports in."""
        return Feedback(invalidation, exact, trust, self.traces, ledger=self._ledger, rules=self._rules)


@asynccontextmanager
async def learning(settings: CacheSettings, kinship: Kinship) -> AsyncIterator[Learning]:
    """Keep `kinship` and the traces in step with the store until the block ends."""
    async with AsyncExitStack() as stack:
        url = settings.redis_url.get_secret_value()
        link = RedisLink(url, timeout_seconds=_TIMEOUT_SECONDS, max_connections=_CONNECTIONS)
        stack.push_async_callback(link.close)
        learning = Learning(settings, link)
        sync = KinshipSync(kinship, RedisKinshipStore(link, prefix=settings.redis_prefix))
        stack.push_async_callback(sync.drain)
        stack.push_async_callback(learning.traces.drain)
        await stack.enter_async_context(background(kinship=sync.run, traces=learning.traces.run))
        yield learning
