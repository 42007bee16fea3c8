"""The log of requests on Redis 7.0 or later (or Valkey), core commands only.

    {prefix}:{TAG}:log            a stream: "r" is a request, "v" the sketch of its vector
    {prefix}:{TAG}:log:batch:ID   a batch that was taken, for ten minutes

TAG is a hash of the tenant. A write adds a batch, cuts the stream to its newest entries and takes off what is too old;
a tenant that asks nothing loses its log as a whole. A batch sent once more is known by its mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from synapse_cache.adapters.exact_redis_link import Command, RedisLink
from synapse_cache.adapters.log_codec import CorruptRecord, decode, encode
from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.adapters.rejected import reject
from synapse_cache.analytics.request_log import Logged

_MARK_MILLISECONDS = 600_000
# KEYS: the stream, the mark. ARGV: the mark's life, the most entries, their life, then request and sketch in turn.
_APPEND = """
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then return 0 end
for at = 4, #ARGV, 2 do
    redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[2], '*', 'r', ARGV[at], 'v', ARGV[at + 1])
end
local oldest = redis.call('TIME')[1] * 1000 - tonumber(ARGV[3])
redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f', oldest))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


class RedisRequestLog:
    """RequestLogStore of the newest `most` requests of each tenant, none older than `seconds`."""

    def __init__(
        self,
        link: RedisLink,
        *,
        most: int,
        seconds: float,
        prefix: str = "synapse",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._most = most
        self._seconds = seconds
        self._prefix = prefix
        self._clock = clock

    async def append(self, records: Sequence[Logged], *, batch_id: str) -> None:
        """As in RequestLogStore."""
        by_tenant = groupby(sorted(records, key=_tenant), key=_tenant)
        await self._link.call_all([self._appending(tenant, list(some), batch_id) for tenant, some in by_tenant])

    async def page(self, tenant: str, *, before: str, limit: int) -> list[tuple[str, Logged]]:
        """As in RequestLogStore; what cannot be read is left out and counted."""
        end = f"({before}" if before else "+"
        while True:
            rows = await self._link.call("XREVRANGE", self._stream(tenant), end, "-", "COUNT", limit)
            found = [one for one in map(self._read, rows) if one is not None and one[1].tenant == tenant]
            if found or not rows:
                return found
            end = f"({rows[-1][0].decode()}"

    async def close(self) -> None:
        """As in RequestLogStore."""
        await self._link.close()

    def _appending(self, tenant: str, records: Sequence[Logged], batch_id: str) -> Command:
        stream = self._stream(tenant)
        mark = f"{self._tag(tenant)}log:batch:{batch_id}"
        content = [part for one in records for part in (encode(one), one.sketch)]
        return ("EVAL", _APPEND, 2, stream, mark, _MARK_MILLISECONDS, self._most, int(self._seconds * 1000), *content)

    def _stream(self, tenant: str) -> str:
        return f"{self._tag(tenant)}log"

    def _tag(self, tenant: str) -> str:
        return namespace_tag(self._prefix, tenant, "")

    def _read(self, row: Any) -> tuple[str, Logged] | None:
        position, pairs = row
        held = dict(zip(pairs[::2], pairs[1::2], strict=True))
        try:
            one = decode(held.get(b"r", b""), held.get(b"v", b""))
        except CorruptRecord as error:
            reject("log", "corrupt", str(error))
            return None
        return (position.decode(), one) if one.at > self._clock() - self._seconds else None


def _tenant(one: Logged) -> str:
    return one.tenant
