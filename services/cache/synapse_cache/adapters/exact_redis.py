"""The exact store on Redis 7.0 or later (or Valkey), core commands only.

    {prefix}:{TAG}:epoch      the namespace's epoch: microseconds of the server's clock at its last flush
    {prefix}:{TAG}:x:KEY      an entry under its exact key or an alias, gone at its `kept_until`
    {prefix}:id:TAG           the keys that one entry id is stored under, and DELETED for a minute after a delete

TAG is a hash of tenant and namespace (or tenant and id), each with its length before it, so that no choice of names
makes two of them meet. It stands in braces: epoch and entries of a namespace share a slot of a Redis Cluster and one
MGET reads both. One namespace therefore lives on one shard; a cluster spreads namespaces.

An epoch comes from the clock: if eviction or a loss of data takes the epoch key, the next one is what the first caller
knew it to be (a server without persistence that restarts must not cost the vector store's entries), or else greater
than any that entries carry, and they stay dead. Of `maxmemory` policies `noeviction` and `volatile-*` never take it (it
has no expiry) and `allkeys-lru|lfu` take it last (every read touches it). Any eviction may take the list of an entry's
keys before the entry: then deletion by key and flush still work, deletion by id no longer finds it.
A flush is as durable as the server is: one that fails over to a replica without it brings the entries back.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from synapse_cache.adapters.codec import CorruptEntry, decode, encode, marks_of
from synapse_cache.adapters.exact_redis_link import Command, RedisLink
from synapse_cache.adapters.rejected import reject
from synapse_cache.invalidation.conditions import Conditions, Page, Ref, ref_of
from synapse_cache.model import Entry, Place

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DELETED = b""
_DELETED_MILLISECONDS = 60_000
_CACHED_TAGS = 1024
# Reads or begins the epoch of KEYS[1]; ARGV[1] = 1 makes it greater than it was. ARGV[2] > 0 is the epoch that a caller
# knew, taken up again where the server lost it; ARGV[3] is the tenant's. It is never less than either.
_EPOCH_SCRIPT = """
local now = redis.call('TIME')
local known = tonumber(redis.call('GET', KEYS[1]) or '') or 0
local told = tonumber(ARGV[2])
local least = math.max(told, tonumber(ARGV[3]))
if ARGV[1] == '0' and known > 0 and known >= least then return known end
local epoch = least
if ARGV[1] == '1' or (known == 0 and told == 0) then
    epoch = math.max(known + 1, least, now[1] * 1000000 + now[2])
end
redis.call('SET', KEYS[1], string.format('%.0f', epoch))
return epoch
"""


class _Names(NamedTuple):
    """The Redis keys of one place: `entry` and an exact key make an entry's."""

    epoch: str
    all: str
    entry: str


class RedisExactStore:
    """ExactStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse", clock: Callable[[], float] = time.time) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"the key prefix {prefix!r} may hold letters, digits and _.:- only")
        self._link = link
        self._prefix = prefix
        self._clock = clock
        self._names = lru_cache(_CACHED_TAGS)(self._make_names)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        prefix: str = "synapse",
        socket_timeout_seconds: float = 0.25,
        max_connections: int = 32,
        clock: Callable[[], float] = time.time,
    ) -> RedisExactStore:
        """The store at `url`; nothing is connected yet. Raises ValueError for a URL or prefix that cannot be."""
        link = RedisLink(url, timeout_seconds=socket_timeout_seconds, max_connections=max_connections)
        return cls(link, prefix=prefix, clock=clock)

    async def get(self, place: Place, key: str, *, stale: bool = False) -> tuple[Entry | None, int]:
        """As in ExactStore; a value that is no entry of the place is removed and counted."""
        names = self._names(place.tenant, place.namespace)
        name = names.entry + key
        own, of_all, value = await self._link.call("MGET", names.epoch, names.all, name)
        epoch, least = _epoch(own), max(_epoch(of_all), place.epoch)
        if not epoch or epoch < least:
            epoch = await self._begin(names.epoch, known=place.epoch, tenants=_epoch(of_all))
        if value is None:
            return None, epoch
        entry = _entry(value, place.tenant, place.namespace)
        if entry is None:
            await self._link.call("UNLINK", name)
            return None, epoch
        end = entry.kept_until if stale else entry.expires_at
        return (entry if entry.epoch == epoch and end > self._clock() else None), epoch

    async def put(self, entry: Entry, *, alias_keys: Sequence[str] = ()) -> None:
        """As in ExactStore. An entry deleted within the last minute stays deleted: a late alias cannot revive it."""
        start = self._names(entry.tenant, entry.namespace).entry
        names = [start + key for key in dict.fromkeys((entry.key, *alias_keys))]
        if entry.kept_until <= self._clock():
            await self._link.call("UNLINK", *names)
            return
        index = self._index(entry.tenant, entry.id)
        until = math.ceil(entry.kept_until * 1000)
        value = encode(entry)
        # The index goes first: at no moment is there an entry that a delete would not find. Once the mark is read
        # unset, a later delete sees every name; once it is read set, the names are taken back.
        replies = await self._link.call_all(
            [
                ("SADD", index, *names),
                ("PEXPIREAT", index, until, "NX"),
                ("PEXPIREAT", index, until, "GT"),
                *(("SET", name, value, "PXAT", until) for name in names),
                ("SISMEMBER", index, _DELETED),
            ]
        )
        if replies[-1]:
            await self._link.call_all([("UNLINK", *names), ("PEXPIRE", index, _DELETED_MILLISECONDS)])

    async def find(self, tenant: str, entry_id: str) -> Entry | None:
        """As in ExactStore."""
        names = await self._link.call("SMEMBERS", self._index(tenant, entry_id))
        return (await self._stored(tenant, entry_id, set(names)))[0]

    async def delete(self, tenant: str, entry_id: str) -> Entry | None:
        """As in ExactStore."""
        return await self._delete(tenant, entry_id, set())

    async def delete_key(self, place: Place, key: str) -> Entry | None:
        """As in ExactStore."""
        entry, _ = await self.get(place, key, stale=True)
        if entry is None:
            return None
        name = self._names(place.tenant, place.namespace).entry + key
        return await self._delete(place.tenant, entry.id, {name.encode()})

    async def unlink(self, place: Place, key: str, entry_id: str) -> bool:
        """As in ExactStore; a put of another entry between reading and removing loses it: a miss, no wrong answer."""
        name = self._names(place.tenant, place.namespace).entry + key
        value = await self._link.call("GET", name)
        entry = _entry(value, place.tenant, place.namespace) if value is not None else None
        if entry is None or entry.id != entry_id or entry.key == key:
            return False
        await self._link.call_all([("UNLINK", name), ("SREM", self._index(place.tenant, entry_id), name)])
        return True

    async def remove(self, tenant: str, refs: Sequence[Ref]) -> None:
        """As in ExactStore, in three exchanges; an entry whose list of keys was lost is found by its own key."""
        if not refs:
            return
        replies = await self._link.call_all([step for ref in refs for step in _marking(self._index(tenant, ref.id))])
        suspects: dict[bytes, str] = {}
        for ref, known in zip(refs, replies[2::3], strict=True):
            own = (self._names(tenant, ref.namespace).entry + ref.key).encode()
            suspects |= dict.fromkeys(set(known) - {_DELETED} | {own}, ref.id)
        names = list(suspects)
        values = await self._link.call("MGET", *names)
        held = [(name, _entry(value, tenant, None)) for name, value in zip(names, values, strict=True) if value]
        gone = [name for name, entry in held if entry is not None and entry.id == suspects[name]]
        if gone:
            await self._link.call("UNLINK", *gone)

    async def select(self, tenant: str, conditions: Conditions, *, limit: int, after: str = "") -> Page:
        """As in ExactStore; the server looks at all keys of its database and shows those of the tenant."""
        wanted = f"{self._prefix}:{{{_digest(tenant)}.*}}:x:*"
        cursor, names = await self._link.call("SCAN", after or "0", "MATCH", wanted, "COUNT", limit)
        values = await self._link.call("MGET", *names) if names else ()
        marks = marks_of(conditions)
        likely = (value for value in values if value is not None and all(mark in value for mark in marks))
        found = (_entry(value, tenant, None) for value in likely)
        meant = {
            entry.id: ref_of(entry)
            for entry in found
            if entry is not None
            and conditions.covers_plainly(entry)
            and (conditions.likeness is None or entry.prompt is not None)
            and entry.kept_until > self._clock()
        }
        return Page(tuple(meant.values()), "" if cursor == b"0" else cursor.decode())

    async def read(self, tenant: str, refs: Sequence[Ref]) -> list[Entry]:
        """As in ExactStore."""
        if not refs:
            return []
        names = [self._names(tenant, ref.namespace).entry + ref.key for ref in refs]
        values = await self._link.call("MGET", *names)
        pairs = [(_entry(value, tenant, ref.namespace), ref) for value, ref in zip(values, refs, strict=True) if value]
        now = self._clock()
        return [entry for entry, ref in pairs if entry is not None and entry.id == ref.id and entry.kept_until > now]

    async def flush(self, tenant: str, namespace: str | None) -> int:
        """As in ExactStore; costs the same whatever there is."""
        name = self._all(tenant) if namespace is None else self._names(tenant, namespace).epoch
        of_all = 0 if namespace is None else _epoch(await self._link.call("GET", self._all(tenant)))
        return await self._begin(name, tenants=of_all, anew=True)

    async def ping(self) -> None:
        """As in ExactStore."""
        await self._link.call("PING")

    async def close(self) -> None:
        """As in ExactStore."""
        await self._link.close()

    async def _delete(self, tenant: str, entry_id: str, names: set[bytes]) -> Entry | None:
        index = self._index(tenant, entry_id)
        names = names.union((await self._link.call_all(_marking(index)))[-1])
        entry, held = await self._stored(tenant, entry_id, names)
        if held:  # a put between reading and this loses its entry: a miss, never a wrong answer
            await self._link.call("UNLINK", *held)
        return entry

    async def _stored(self, tenant: str, entry_id: str, names: set[bytes]) -> tuple[Entry | None, list[bytes]]:
        """The kept entry of that id, and those of `names` that still hold it; others were overwritten since."""
        names -= {_DELETED}
        if not names:
            return None, []
        ordered = sorted(names)
        values = await self._link.call("MGET", *ordered)
        found = {name: _entry(value, tenant, None) for name, value in zip(ordered, values, strict=True) if value}
        entries = {name: entry for name, entry in found.items() if entry is not None and entry.id == entry_id}
        if not entries:
            return None, []
        entry = next(iter(entries.values()))
        epoch = await self._current(tenant, entry.namespace)
        now = self._clock()
        kept = (entry for entry in entries.values() if entry.epoch == epoch and entry.kept_until > now)
        return next(kept, None), list(entries)

    async def _current(self, tenant: str, namespace: str) -> int:
        names = self._names(tenant, namespace)
        own, of_all = map(_epoch, await self._link.call("MGET", names.epoch, names.all))
        return own if own and own >= of_all else await self._begin(names.epoch, tenants=of_all)

    async def _begin(self, name: str, *, known: int = 0, tenants: int = 0, anew: bool = False) -> int:
        return int(await self._link.call("EVAL", _EPOCH_SCRIPT, 1, name, int(anew), known, tenants))

    def _make_names(self, tenant: str, namespace: str) -> _Names:
        tag = f"{self._prefix}:{{{_digest(tenant)}.{_digest(tenant, namespace)}}}:"
        return _Names(f"{tag}epoch", self._all(tenant), f"{tag}x:")

    def _all(self, tenant: str) -> str:
        return f"{self._prefix}:all:{_digest(tenant)}"

    def _index(self, tenant: str, entry_id: str) -> str:
        return f"{self._prefix}:id:{_digest(tenant, entry_id)}"


def _marking(index: str) -> list[Command]:
    """Mark an entry as deleted, and tell the keys that it is stored under."""
    return [("SADD", index, _DELETED), ("PEXPIRE", index, _DELETED_MILLISECONDS), ("SMEMBERS", index)]


def _digest(*names: str) -> str:
    """A hash of names, each but the last with its length before it."""
    *firsts, last = (name.encode("utf-8", "surrogatepass") for name in names)
    text = b"".join(b"%d:%s" % (len(first), first) for first in firsts) + last
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _epoch(known: Any) -> int:
    """The epoch in a reply, 0 for none and for nonsense."""
    try:
        return int(known or 0)
    except ValueError:
        return 0


def _entry(value: bytes, tenant: str, namespace: str | None) -> Entry | None:
    """The entry in `value` if it is one of the tenant (and namespace); what is not is counted and logged."""
    try:
        entry = decode(value)
    except CorruptEntry as error:
        reject("redis", "corrupt", str(error))
        return None
    if entry.tenant == tenant and namespace in {None, entry.namespace}:
        return entry
    reject("redis", "foreign", "it belongs to another place")
    return None
