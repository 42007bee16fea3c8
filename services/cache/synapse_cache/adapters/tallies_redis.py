"""Counts of replicas in Redis 7.0 or later (or Valkey), core commands only.

{prefix}:tallies       a set of the replicas' names
{prefix}:tallies:NAME  a hash of tenants, "" for all of them, to their counts as JSON; gone 150 s after the last word
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from synapse_cache.adapters.exact_redis_link import Command, RedisLink
from synapse_cache.adapters.rejected import reject
from synapse_cache.analytics.tallies import KEPT_SECONDS
from synapse_cache.stats import COUNTS, Tally


class RedisTallies:
    """TallyStore on one Redis."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse") -> None:
        self._link = link
        self._names = f"{prefix}:tallies"

    async def post(self, replica: str, total: Tally, tenants: Mapping[str, Tally]) -> None:
        """As in TallyStore."""
        told = {**tenants, "": total}
        content = [part for tenant, tally in told.items() for part in (_bytes(tenant), _packed(tally))]
        commands: list[Command] = [
            ("HSET", self._hash(replica), *content),
            ("EXPIRE", self._hash(replica), int(KEPT_SECONDS)),
            ("SADD", self._names, replica),
        ]
        await self._link.call_all(commands)

    async def others(self, replica: str, tenant: str | None) -> list[Tally]:
        """As in TallyStore; forgets the names of those that are gone."""
        names = [name.decode() for name in await self._link.call("SMEMBERS", self._names)]
        others = sorted(name for name in names if name != replica)
        if not others:
            return []
        fields = (b"", _bytes(tenant or ""))
        replies = await self._link.call_all([("HMGET", self._hash(name), *fields) for name in others])
        gone = [name for name, (total, _) in zip(others, replies, strict=True) if total is None]
        if gone:
            await self._link.call("SREM", self._names, *gone)
        return [_unpacked(own) for total, own in replies if total is not None]

    async def leave(self, replica: str) -> None:
        """As in TallyStore."""
        await self._link.call_all([("SREM", self._names, replica), ("DEL", self._hash(replica))])

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    def _hash(self, replica: str) -> str:
        return f"{self._names}:{replica}"


def _packed(tally: Tally) -> bytes:
    return orjson.dumps([[getattr(tally, name) for name in COUNTS], dict(tally.miss_reasons)])


def _unpacked(text: bytes | None) -> Tally:
    if text is None:
        return Tally()
    try:
        counts, reasons = orjson.loads(text)
        numbers: dict[str, Any] = dict(zip(COUNTS, map(int, counts), strict=True))
        return Tally(**numbers, miss_reasons=Counter({str(name): int(count) for name, count in reasons.items()}))
    except (ValueError, TypeError, AttributeError) as error:  # of another version, perhaps
        reject("redis", "corrupt", f"the counts of a replica: {error}")
        return Tally()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
