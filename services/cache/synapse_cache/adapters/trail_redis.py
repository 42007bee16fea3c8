"""The trail of invalidations in Redis or Valkey: one stream, `{prefix}:invalidations`, that every replica reads.

It is broadcast and audit trail in one, holds the last twenty thousand notices or somewhat more, and lasts as long as
the server keeps its data. A reader that finds the notice gone that it read last has missed some.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synapse_cache.adapters import notices
from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.rejected import reject
from synapse_cache.invalidation.trail import Notice, Phase, Told

CAPACITY = 20_000
_PAGE = 500
_FIELD = "notice"
_CONNECTIONS = 8
_LONGEST_WAIT_SECONDS = 1.0


class RedisTrail:
    """Trail on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse", capacity: int = CAPACITY) -> None:
        self._link = link
        self._name = f"{prefix}:invalidations"
        self._capacity = capacity

    @classmethod
    def open(
        cls, url: str, *, prefix: str = "synapse", timeout_seconds: float = 1.5, capacity: int = CAPACITY
    ) -> RedisTrail:
        """The trail at `url`; nothing is connected yet. Raises ValueError for a URL that cannot be.

        `timeout_seconds` bounds an exchange, and must be more than a second, which a read may wait for news.
        """
        link = RedisLink(url, timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS)
        return cls(link, prefix=prefix, capacity=capacity)

    async def append(self, notice: Notice) -> str:
        """As in Trail."""
        data = notices.encode(notice)
        told = await self._link.call("XADD", self._name, "MAXLEN", "~", self._capacity, "*", _FIELD, data)
        return str(told.decode())

    async def read(self, after: str, *, wait_seconds: float) -> Told:
        """As in Trail; waits a second at most."""
        asking: list[tuple[str | int, ...]] = [("XREAD", "COUNT", _PAGE, "STREAMS", self._name, after or "0")]
        milliseconds = int(min(wait_seconds, _LONGEST_WAIT_SECONDS) * 1000)
        if milliseconds > 0:
            asking = [("XREAD", "COUNT", _PAGE, "BLOCK", milliseconds, "STREAMS", self._name, after or "0")]
        if after:
            asking.insert(0, ("XRANGE", self._name, after, after))
        *known, found = await self._link.call_all(asking)
        if known and not known[0]:
            newest = await self._link.call("XREVRANGE", self._name, "+", "-", "COUNT", 1)
            return Told((), _last(newest, ""), gap=True)
        rows = found[0][1] if found else ()
        return Told(tuple(_read(rows)), _last(rows, after))

    async def since(self, at: float) -> Told:
        """As in Trail."""
        found: list[Notice] = []
        start, last = f"{max(0, int(at * 1000))}-0", ""
        while rows := await self._link.call("XRANGE", self._name, start, "+", "COUNT", _PAGE):
            found += _read(rows)
            last = _last(rows, last)
            start = f"({last}"
        if not last:
            last = _last(await self._link.call("XREVRANGE", self._name, "+", "-", "COUNT", 1), "")
        return Told(tuple(found), last)

    async def done(self, tenant: str | None, *, before: str, limit: int) -> list[Notice]:
        """As in Trail."""
        found: list[Notice] = []
        end = f"({before}" if before else "+"
        while len(found) < limit:
            rows = await self._link.call("XREVRANGE", self._name, end, "-", "COUNT", _PAGE)
            if not rows:
                break
            found += (one for one in _read(rows) if one.phase is Phase.DONE and tenant in {None, one.order.tenant})
            end = f"({rows[-1][0].decode()}"
        return found[:limit]

    async def close(self) -> None:
        """As in Trail."""
        await self._link.close()


def _last(rows: Any, otherwise: str) -> str:
    return str(rows[-1][0].decode()) if rows else otherwise


def _read(rows: Iterable[Any]) -> Iterable[Notice]:
    """The notices in rows of the stream; what is none is counted and left out."""
    for notice_id, fields in rows:
        try:
            yield notices.decode(fields[1], notice_id.decode())
        except notices.CorruptNotice as error:
            reject("redis", "corrupt", f"a notice of an invalidation: {error}")
