"""Traces of served answers in Redis or Valkey: the newest of each tenant, and none older than a day.

    {prefix}:{TAG}:traces     a hash: "r" and a request's id, "w" and a wording's digest, to the trace as JSON
    {prefix}:{TAG}:order      a sorted set of the same names by the time of their traces

TAG is a hash of the tenant and of no namespace; both lie in one slot of a Redis Cluster.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.adapters.rejected import reject
from synapse_cache.feedback.traces import MOST_TRACES, TRACE_SECONDS, Trace

if TYPE_CHECKING:
    from synapse_cache.adapters.exact_redis_link import RedisLink

# Writes traces to the hash KEYS[1] and the order KEYS[2]: from ARGV[5] on names, traces, their times and whether they
# replace what is there. ARGV[1] is how many names may stay, ARGV[2] the time up to which they are too old, ARGV[3] the
# most to remove at once, ARGV[4] after how many milliseconds without a write all of it goes.
_NOTE_SCRIPT = """
for i = 5, #ARGV, 4 do
  if ARGV[i + 3] == '1' or redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i])
  end
end
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
local surplus = redis.call('ZCARD', KEYS[2]) - #old - ARGV[1]
if surplus > 0 then old = redis.call('ZRANGE', KEYS[2], 0, math.min(#old + surplus, ARGV[3]) - 1) end
if #old > 0 then
  redis.call('HDEL', KEYS[1], unpack(old))
  redis.call('ZREM', KEYS[2], unpack(old))
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 0
"""
_MOST_REMOVED = 5_000


class RedisTraceStore:
    """TraceStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str = "synapse",
        most: int = MOST_TRACES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._prefix = prefix
        self._most = most
        self._clock = clock

    async def note(self, tenant: str, traces: Sequence[Trace]) -> None:
        """As in TraceStore."""
        written: list[str | bytes | int] = []
        for trace in traces:
            value, at = json.dumps(asdict(trace), separators=(",", ":")), repr(trace.at)
            written += (f"r{trace.request_id}", value, at, 1)
            if trace.wording:
                written += (f"w{trace.wording}", value, at, int(bool(trace.traits)))
        tag = self._tag(tenant)
        bounds = (2 * self._most, repr(self._clock() - TRACE_SECONDS), _MOST_REMOVED, int(TRACE_SECONDS * 1000))
        await self._link.call("EVAL", _NOTE_SCRIPT, 2, f"{tag}traces", f"{tag}order", *bounds, *written)

    async def by_request(self, tenant: str, request_id: str) -> Trace | None:
        """As in TraceStore."""
        return await self._found(tenant, f"r{request_id}")

    async def by_wording(self, tenant: str, wording: str) -> Trace | None:
        """As in TraceStore."""
        return await self._found(tenant, f"w{wording}")

    async def close(self) -> None:
        """As in TraceStore."""
        await self._link.close()

    async def _found(self, tenant: str, name: str) -> Trace | None:
        value = await self._link.call("HGET", f"{self._tag(tenant)}traces", name)
        if value is None:
            return None
        try:
            members: dict[str, Any] = json.loads(value)
            trace = Trace(**members | {"traits": tuple(members["traits"])})
        except (ValueError, TypeError, KeyError) as error:
            reject("redis", "corrupt", f"a trace: {error}")
            return None
        return trace if trace.at + TRACE_SECONDS > self._clock() else None

    def _tag(self, tenant: str) -> str:
        return namespace_tag(self._prefix, tenant, "")
