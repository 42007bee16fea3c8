"""Leases in Redis or Valkey, core commands only.

    {prefix}:{TAG}:f:EPOCH:KEY[:CREDENTIAL]   the holder's token, with a + behind it once somebody waits, or UNSHARED
    {prefix}:flights                          the channel of `leases_channel`

A lease is taken, and let go, in one exchange; whoever lets go must show the token, so that one who comes too late
cannot end another's. Nothing is told on the channel of a lease that nobody waits for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.leases_channel import FREE, UNSHARED, LeaseChannel
from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.flights.leases import Lease
from synapse_cache.model import CallKey

_CONNECTIONS = 8
_UNSHARED_MILLISECONDS = 1_000
_LOOK_SECONDS = 0.5
_LOOK_DEAF_SECONDS = 0.1
# The token ARGV[1] takes the lease KEYS[1] for ARGV[2] ms (1), or notes that somebody waits (0); -1 while nobody is to.
_ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if not held then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
if held == '-' then return -1 end
if held == ARGV[1] or held == ARGV[1] .. '+' then return 1 end
if string.sub(held, -1) ~= '+' then redis.call('SET', KEYS[1], held .. '+', 'KEEPTTL') end
return 0
"""
# Keeps the lease KEYS[1] of the token ARGV[1] for ARGV[2] ms from now.
_RENEW = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] or held == ARGV[1] .. '+' then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# Ends the lease KEYS[1] of the token ARGV[1]. Those who wait hear ARGV[2] on the channel ARGV[3], and where ARGV[4] is
# above 0, nobody is to wait for that many ms.
_RELEASE = """
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and held ~= ARGV[1] .. '+' then return 0 end
if held == ARGV[1] or ARGV[4] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], '-', 'PX', ARGV[4])
end
if held ~= ARGV[1] then redis.pcall('PUBLISH', ARGV[3], ARGV[2] .. ' ' .. KEYS[1]) end
return 1
"""
_LEASES = {1: Lease.OWN, 0: Lease.TAKEN, -1: Lease.UNSHARED}


class RedisLeases:
    """Leases on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse", hello_seconds: float = 5.0) -> None:
        self._link = link
        self._prefix = prefix
        self._channel = f"{prefix}:flights"
        self._others = LeaseChannel(link, self._channel, heard=self._heard, hello_seconds=hello_seconds)
        self._waiting: defaultdict[bytes, set[asyncio.Future[Lease]]] = defaultdict(set)

    @classmethod
    def open(
        cls, url: str, *, prefix: str = "synapse", timeout_seconds: float = 0.25, hello_seconds: float = 5.0
    ) -> RedisLeases:
        """The leases at `url`; nothing is connected yet. Raises ValueError for a URL that cannot be."""
        link = RedisLink(url, timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS)
        return cls(link, prefix=prefix, hello_seconds=hello_seconds)

    @property
    def alone(self) -> bool:
        """As in Leases."""
        return self._others.alone

    @property
    def listens(self) -> bool:
        """Whether what other replicas tell is heard at the moment; leases do without."""
        return self._others.listens

    async def acquire(self, call: CallKey, token: str, *, seconds: float) -> Lease:
        """As in Leases."""
        reply = await self._link.call("EVAL", _ACQUIRE, 1, self._name(call), token, _milliseconds(seconds))
        return _LEASES[int(reply)]

    async def renew(self, held: Mapping[CallKey, str], *, seconds: float) -> None:
        """As in Leases."""
        until = _milliseconds(seconds)
        await self._link.call_all([("EVAL", _RENEW, 1, self._name(call), token, until) for call, token in held.items()])

    async def release(self, call: CallKey, token: str, *, unshared: bool = False) -> None:
        """As in Leases."""
        word, pause = (UNSHARED, _UNSHARED_MILLISECONDS) if unshared else (FREE, 0)
        await self._link.call("EVAL", _RELEASE, 1, self._name(call), token, word, self._channel, pause)

    async def wait(self, call: CallKey, *, seconds: float) -> Lease:
        """As in Leases: told on the channel, or found by looking now and then."""
        name = self._name(call).encode()
        told: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._waiting[name].add(told)
        try:
            async with asyncio.timeout(seconds):
                return await self._change(name, told)
        except TimeoutError:
            return Lease.TAKEN
        finally:
            self._waiting[name].discard(told)
            if not self._waiting[name]:
                del self._waiting[name]

    async def flush(self, tenant: str | None) -> None:
        """As in Leases."""
        await self._others.flush(tenant)

    async def run(self, flushed: Callable[[str | None], object]) -> None:
        """As in Leases."""
        await self._others.run(flushed)

    async def close(self) -> None:
        """As in Leases."""
        await self._link.close()

    async def _change(self, name: bytes, told: asyncio.Future[Lease]) -> Lease:
        """How the lease stands once it is no more its holder's of now."""
        holder: bytes | None = None
        while True:
            held = await self._link.call("GET", name)
            if held == b"-":
                return Lease.UNSHARED
            if held is None or (holder is not None and held.rstrip(b"+") != holder):
                return Lease.FREE
            holder = held.rstrip(b"+")
            await asyncio.wait({told}, timeout=_LOOK_SECONDS if self._others.listens else _LOOK_DEAF_SECONDS)
            if told.done():
                return told.result()

    def _heard(self, name: bytes, shared: bool) -> None:  # noqa: FBT001  # called by position
        for told in self._waiting.get(name, ()):
            if not told.done():
                told.set_result(Lease.FREE if shared else Lease.UNSHARED)

    def _name(self, call: CallKey) -> str:
        place = call.place
        credential = f":{call.credential}" if call.credential else ""
        return f"{namespace_tag(self._prefix, place.tenant, place.namespace)}f:{place.epoch}:{call.key}{credential}"


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
