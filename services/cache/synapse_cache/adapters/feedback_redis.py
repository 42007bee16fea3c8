"""Who said what of which answer, in Redis or Valkey; shared, so that limits and votes count across replicas.

    {prefix}:{TAG}:limit:NAME:PERIOD   how often a credential did something in a period, gone after it
    {prefix}:{TAG}:votes               a hash: digests of credentials to what each says of one answer
    {prefix}:{TAG}:said                what became of a report, under its idempotency key

TAG is a hash of the tenant and of whom or what it is about.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from synapse_cache.adapters.redis_names import namespace_tag

if TYPE_CHECKING:
    from synapse_cache.adapters.exact_redis_link import RedisLink
    from synapse_cache.feedback.feedback import Limit

_VOTE_MILLISECONDS = 30 * 86_400_000
_REMEMBERED_MILLISECONDS = 86_400_000


class RedisFeedbackLedger:
    """FeedbackLedger on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse") -> None:
        self._link = link
        self._prefix = prefix

    async def spend(self, tenant: str, subject: str, limit: Limit, *, now: float) -> float:
        """As in FeedbackLedger."""
        period = int(now // limit.seconds)
        name = f"{self._tag(tenant, subject)}limit:{limit.name}:{period}"
        count, _ = await self._link.call_all([("INCR", name), ("PEXPIRE", name, int(limit.seconds * 1000))])
        return 0.0 if count <= limit.most else (period + 1) * limit.seconds - now

    async def vote(self, tenant: str, about: str, rating: str, subject: str) -> tuple[bool, int]:
        """As in FeedbackLedger."""
        name, who = (
            f"{self._tag(tenant, about)}votes",
            hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        )
        before, _, _, ratings = await self._link.call_all(
            [("HGET", name, who), ("HSET", name, who, rating), ("PEXPIRE", name, _VOTE_MILLISECONDS), ("HVALS", name)]
        )
        return before != rating.encode(), ratings.count(rating.encode())

    async def said(self, tenant: str, subject: str, key: str) -> str:
        """As in FeedbackLedger."""
        text = await self._link.call("GET", f"{self._tag(tenant, subject, key)}said")
        return "" if text is None else str(text, "utf-8")

    async def remember(self, tenant: str, subject: str, key: str, text: str) -> None:
        """As in FeedbackLedger."""
        await self._link.call("SET", f"{self._tag(tenant, subject, key)}said", text, "PX", _REMEMBERED_MILLISECONDS)

    async def close(self) -> None:
        """As in FeedbackLedger."""
        await self._link.close()

    def _tag(self, tenant: str, *parts: str) -> str:
        return namespace_tag(self._prefix, tenant, "".join(f"{len(part)}:{part}" for part in parts))
