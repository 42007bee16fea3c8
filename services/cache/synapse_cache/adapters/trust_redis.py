"""What replicas know together about errors, in Redis 7.0 or later (or Valkey), core commands only.

    {prefix}:{TAG}:trust           a hash: counts, standing and stretch, `version`, `total` of evidence ever told
    {prefix}:{TAG}:trust:evidence  a list: the newest few thousand pieces of evidence, oldest first
    {prefix}:{TAG}:trust:ID        the number of the last parcel of the replica ID
    {prefix}:trust:places          a sorted set: [tenant, namespace] as JSON, by the time of the last news

TAG is a hash of tenant and namespace in braces, so all of one namespace lies in one slot of a cluster. News are merged
by the domain's own rule here and written by a script if the version is still the one that was read; replicas that meet
try again. A parcel's number makes sending it twice harmless. Everything goes a month after the last news of its
namespace.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import orjson

from synapse_cache.adapters.exact_redis_link import Command, RedisLink
from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.adapters.rejected import reject
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Evidence, Record, Source, Stretch, Tally
from synapse_cache.trust.news import NOTHING, Heard, Parcel, updated
from synapse_cache.trust.trust import MOST_EVIDENCE

_CONNECTIONS = 8
_FORGOTTEN_AFTER_SECONDS = 30 * 86_400
_PAGE = 1_024
_TRIES = 16
_TRY_AGAIN_SECONDS = 0.002
_TALLIES = ("", "begun_", "following_")
_COUNTS = {count.name: float if count.name == "expected_errors" else int for count in fields(Tally)}
# KEYS: hash, evidence, parcel's number. ARGV: how much evidence was seen, most evidence, most of it at once. Returns
# the hash, the parcel's number, how much is seen then, and the evidence.
_READ_SCRIPT = """
local total = tonumber(redis.call('HGET', KEYS[1], 'total') or '0')
local seen = math.max(math.min(tonumber(ARGV[1]), total), total - tonumber(ARGV[2]))
local upto = math.min(total, seen + tonumber(ARGV[3]))
local page = {}
if upto > seen then page = redis.call('LRANGE', KEYS[2], seen - total, upto - total - 1) end
return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[3]), upto, page}
"""
# KEYS: as above. ARGV: the version read, the number, seconds to live, most evidence, how many
# fields and values follow, these, and the evidence.
_WRITE_SCRIPT = """
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
local last = 5 + tonumber(ARGV[5])
for i = 6, last, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HINCRBY', KEYS[1], 'version', 1)
for i = last + 1, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('HINCRBY', KEYS[1], 'total', #ARGV - last)
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[4]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisTrustStore:
    """TrustStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str = "synapse",
        most_evidence: int = MOST_EVIDENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._prefix = prefix
        self._most = most_evidence
        self._clock = clock
        self._places = f"{prefix}:trust:places"

    @classmethod
    def open(
        cls,
        url: str,
        *,
        prefix: str = "synapse",
        timeout_seconds: float = 1.0,
        most_evidence: int = MOST_EVIDENCE,
        clock: Callable[[], float] = time.time,
    ) -> RedisTrustStore:
        """The store at `url`; nothing is connected yet. Raises ValueError for a URL that cannot be."""
        link = RedisLink(url, timeout_seconds=timeout_seconds, max_connections=_CONNECTIONS)
        return cls(link, prefix=prefix, most_evidence=most_evidence, clock=clock)

    async def exchange(self, place: Place, parcel: Parcel) -> Heard:
        """As in TrustStore."""
        name = namespace_tag(self._prefix, place.tenant, place.namespace) + "trust"
        names = (name, f"{name}:evidence", f"{name}:{parcel.replica}")
        for tries in range(_TRIES):
            await asyncio.sleep(random.random() * tries * _TRY_AGAIN_SECONDS)  # noqa: S311  # keeps racers out of step
            reading = ("EVAL", _READ_SCRIPT, 3, *names, parcel.seen, self._most, _PAGE)
            state, last, seen, page = await self._link.call(*reading)
            hashed = dict(zip(state[::2], state[1::2], strict=True))
            record = _record(hashed, parcel.known)
            if parcel.news is NOTHING or int(last or 0) >= parcel.sequence:
                heard = replace(record, evidence=_others(page, parcel.replica))
                return Heard(heard, seen, more=seen < int(hashed.get(b"total", 0)))
            await self._write(names, hashed, updated(record, parcel.news), parcel)
            await self._note(place)
        raise StoreUnavailable(f"Redis: {_TRIES} others changed the same namespace first")

    async def places(self, *, limit: int) -> list[Place]:
        """As in TrustStore."""
        oldest = self._clock() - _FORGOTTEN_AFTER_SECONDS
        commands: list[Command] = [
            ("ZREMRANGEBYSCORE", self._places, "-inf", f"{oldest:.3f}"),
            ("ZRANGE", self._places, 0, limit - 1, "REV"),
        ]
        _, members = await self._link.call_all(commands)
        return [Place(*orjson.loads(member)) for member in members]

    async def close(self) -> None:
        """As in TrustStore."""
        await self._link.close()

    async def _write(
        self, names: tuple[str, str, str], hashed: dict[bytes, bytes], record: Record, parcel: Parcel
    ) -> None:
        """Write `record` and the parcel's evidence unless another was faster; reading again tells which."""
        written = [text for pair in _fields(record) for text in pair]
        evidence = [_packed(parcel.replica, one) for one in parcel.news.evidence]
        version = hashed.get(b"version", b"0")
        told = (version, parcel.sequence, _FORGOTTEN_AFTER_SECONDS, self._most, len(written))
        await self._link.call("EVAL", _WRITE_SCRIPT, 3, *names, *told, *written, *evidence)

    async def _note(self, place: Place) -> None:
        member = orjson.dumps([place.tenant, place.namespace])
        await self._link.call("ZADD", self._places, f"{self._clock():.3f}", member)


def _record(hashed: dict[bytes, bytes], known: Record) -> Record:
    """The record in a hash without its evidence; `known` where there is none, or none that can be read."""
    if b"version" not in hashed:
        return known
    try:
        tally, begun, following = (_tally(hashed, prefix) for prefix in _TALLIES)
        suspended_at = float(hashed[b"suspended_at"]) if hashed.get(b"suspended_at") else None
        strictness = float(hashed[b"strictness"])
    except (KeyError, ValueError) as error:
        reject("trust", "corrupt", repr(error))
        return known
    return Record((), tally, suspended_at, strictness, Stretch(begun, following))


def _tally(hashed: dict[bytes, bytes], prefix: str) -> Tally:
    found: dict[str, Any] = {name: kind(hashed.get(f"{prefix}{name}".encode(), 0)) for name, kind in _COUNTS.items()}
    return Tally(**found)


def _fields(record: Record) -> list[tuple[str, str]]:
    tallies = zip(_TALLIES, (record.tally, record.stretch.begun, record.stretch.following), strict=True)
    counts = [(f"{prefix}{name}", repr(getattr(tally, name))) for prefix, tally in tallies for name in _COUNTS]
    suspended_at = "" if record.suspended_at is None else repr(record.suspended_at)
    return [*counts, ("suspended_at", suspended_at), ("strictness", repr(record.strictness))]


def _packed(replica: str, evidence: Evidence) -> bytes:
    return orjson.dumps([replica, *(getattr(evidence, one.name) for one in fields(Evidence))])


def _others(packed: Sequence[bytes], replica: str) -> tuple[Evidence, ...]:
    """The evidence of other replicas; what cannot be read is counted and left out."""
    found: list[Evidence] = []
    for text in packed:
        try:
            owner, source, *rest = orjson.loads(text)
            if owner != replica:
                piece = Evidence(Source(source), *rest)
                found.append(replace(piece, traits=tuple(piece.traits)))
        except (ValueError, TypeError) as error:
            reject("trust", "corrupt", repr(error))
    return tuple(found)
