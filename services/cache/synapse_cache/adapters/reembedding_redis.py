"""The re-embedding in Redis or Valkey: one hash, which every replica reads several times a second.

    {prefix}:reembedding       `v` the version, `plan` the plan as JSON, `r:REPLICA` what a replica tells, behind the
                               server's time in milliseconds and a space

A version comes from the server's clock in microseconds, so that of two histories the later one is the greater.
"""

from __future__ import annotations

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.reembedding_codec import encode, plan_of, progress_of
from synapse_cache.reembedding.reembedding import Plan, Progress, View

_CONNECTIONS = 2
_ALIVE_MILLISECONDS = 5_000
_REPLICA = b"r:"
# Notes what a replica tells (ARGV[1] the field, ARGV[2] the text), forgets those that told nothing for ARGV[3]
# milliseconds, and returns all fields.
_EXCHANGE_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 2) == 'r:' then
        local seen = tonumber(string.match(flat[i + 1], '^%d+')) or 0
        if now - seen >= tonumber(ARGV[3]) then
            redis.call('HDEL', KEYS[1], flat[i])
            flat[i + 1] = ''
        end
    end
end
return flat
"""
# Writes the plan ARGV[2] if ARGV[1] is the version; returns the new one.
_PUT_SCRIPT = """
local known = redis.call('HGET', KEYS[1], 'v') or '0'
if known ~= ARGV[1] then return '0' end
local now = redis.call('TIME')
local version = string.format('%.0f', math.max(tonumber(known) + 1, now[1] * 1000000 + now[2]))
redis.call('HSET', KEYS[1], 'plan', ARGV[2], 'v', version)
return version
"""
_RESTORE_SCRIPT = """
if tonumber(redis.call('HGET', KEYS[1], 'v') or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'plan', ARGV[2], 'v', ARGV[1])
return 1
"""


class RedisReembedding:
    """ReembeddingStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse") -> None:
        self._link = link
        self._name = f"{prefix}:reembedding"

    @classmethod
    def open(cls, url: str, *, prefix: str = "synapse", timeout_seconds: float = 0.5) -> RedisReembedding:
        """The store at `url`; nothing is connected yet. Raises ValueError for a URL that cannot be."""
        return cls(RedisLink(url, timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS), prefix=prefix)

    async def exchange(self, replica: str, progress: Progress) -> View:
        """As in ReembeddingStore; what is no plan and no replica's word is counted, logged and left out."""
        name = _REPLICA + replica.encode()
        flat = await self._link.call(
            "EVAL", _EXCHANGE_SCRIPT, 1, self._name, name, encode(progress), _ALIVE_MILLISECONDS
        )
        stored = {key: value for key, value in zip(flat[::2], flat[1::2], strict=True) if value}
        plan = plan_of(stored[b"plan"]) if b"plan" in stored else None
        said = {
            key.removeprefix(_REPLICA).decode(): progress_of(value.partition(b" ")[2])
            for key, value in stored.items()
            if key.startswith(_REPLICA)
        }
        known = {one: progress for one, progress in said.items() if progress is not None}
        return View(int(stored.get(b"v", 0)), plan, known)

    async def put(self, plan: Plan, *, after: int) -> int:
        """As in ReembeddingStore."""
        return int(await self._link.call("EVAL", _PUT_SCRIPT, 1, self._name, after, encode(plan)))

    async def restore(self, version: int, plan: Plan) -> None:
        """As in ReembeddingStore."""
        await self._link.call("EVAL", _RESTORE_SCRIPT, 1, self._name, version, encode(plan))

    async def close(self) -> None:
        """As in ReembeddingStore."""
        await self._link.close()
