"""Thresholds in Redis or Valkey: one hash, which every replica reads several times a second.

    {prefix}:thresholds       a hash: `v` is the version, `t:TENANT` the level of a tenant as JSON, `t:` that of all

It has no expiry, and all of it is one key that is read all the time, so no eviction takes it before everything else. A
version comes from the server's clock in microseconds, so that of two histories the later one is the greater.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.rejected import reject
from synapse_cache.thresholds.thresholds import Level

_CONNECTIONS = 2
_VERSION = "v"
_TENANT = b"t:"
# Writes a level (ARGV[3]; empty removes it) to the field ARGV[2] if ARGV[1] is the version; returns the new one.
_PUT_SCRIPT = """
local known = redis.call('HGET', KEYS[1], 'v') or '0'
if known ~= ARGV[1] then return '0' end
local now = redis.call('TIME')
local version = string.format('%.0f', math.max(tonumber(known) + 1, now[1] * 1000000 + now[2]))
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[2]) else redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
redis.call('HSET', KEYS[1], 'v', version)
return version
"""
# Makes the fields and values after ARGV[1], the version, all there is, unless the store's version is as great.
_RESTORE_SCRIPT = """
if tonumber(redis.call('HGET', KEYS[1], 'v') or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
"""


class RedisThresholdStore:
    """ThresholdStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse") -> None:
        self._link = link
        self._name = f"{prefix}:thresholds"

    @classmethod
    def open(cls, url: str, *, prefix: str = "synapse", timeout_seconds: float = 0.5) -> RedisThresholdStore:
        """The store at `url`; nothing is connected yet. Raises ValueError for a URL that cannot be."""
        return cls(RedisLink(url, timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS), prefix=prefix)

    async def version(self) -> int:
        """As in ThresholdStore."""
        return int(await self._link.call("HGET", self._name, _VERSION) or 0)

    async def load(self) -> tuple[int, dict[str, Level]]:
        """As in ThresholdStore; what is no level is counted, logged and left out."""
        flat = await self._link.call("HGETALL", self._name)
        stored = dict(zip(flat[::2], flat[1::2], strict=True))
        version = int(stored.pop(_VERSION.encode(), 0))
        levels = {_tenant(name): _level(value) for name, value in stored.items()}
        return version, {tenant: level for tenant, level in levels.items() if level is not None}

    async def put(self, tenant: str, level: Level, *, after: int) -> int:
        """As in ThresholdStore."""
        value = b"" if level == Level() else _json(level)
        return int(await self._link.call("EVAL", _PUT_SCRIPT, 1, self._name, after, _field(tenant), value))

    async def restore(self, version: int, levels: Mapping[str, Level]) -> None:
        """As in ThresholdStore."""
        written = [part for tenant, level in levels.items() for part in (_field(tenant), _json(level))]
        await self._link.call("EVAL", _RESTORE_SCRIPT, 1, self._name, version, *written)

    async def close(self) -> None:
        """As in ThresholdStore."""
        await self._link.close()


def _field(tenant: str) -> bytes:
    return _TENANT + tenant.encode("utf-8", "surrogatepass")


def _tenant(name: bytes) -> str:
    return name.removeprefix(_TENANT).decode("utf-8", "surrogatepass")


def _json(level: Level) -> bytes:
    members = asdict(level).items()
    return json.dumps({name: value for name, value in members if value is not None}).encode()


def _level(value: bytes) -> Level | None:
    """The level in `value`; members that a later version may have added are left out."""
    try:
        members: dict[str, Any] = json.loads(value)
        known = {name: members[name] for name in _KINDS.keys() & members.keys()}
    except (ValueError, TypeError, AttributeError) as error:
        reject("redis", "corrupt", f"a level of thresholds: {error}")
        return None
    if not all(type(one) in _KINDS[name] for name, one in known.items()):
        reject("redis", "corrupt", "a level of thresholds with a value of another kind")
        return None
    return Level(**known)


_KINDS: dict[str, tuple[type, ...]] = {
    field.name: (bool,) if "bool" in str(field.type) else (float, int) for field in fields(Level)
}
