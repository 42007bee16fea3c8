"""Savings on Redis 7.0 or later (or Valkey), core commands only.

    {prefix}:{TAG}:saved:DAY            a hash, gone 400 days after its last change: "r:MODEL" requests, "h:MODEL" hits,
                                        "t:MODEL" tokens, "c:MODEL" billionths of a dollar, "m:MODEL" microseconds
    {prefix}:{TAG}:saved:batch:ID:DAY   a batch that was taken, for ten minutes
    {prefix}:saved:accounts             a sorted set of "DAY TENANT": which hashes there are

TAG is a hash of the tenant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from synapse_cache.adapters.exact_redis_link import Command, RedisLink
from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.analytics.savings import KEPT_DAYS, MOST_MODELS, OTHER_MODEL, Account, Saved, day_of, days_between

_DAY_SECONDS = 86_400
_AT_ONCE = 100
_KINDS = "rhtcm"
_MARK_MILLISECONDS = 600_000
# KEYS: the hash, the mark. ARGV: the mark's life, the hash's life, the most fields, the name of the other models, then
# a model and its five numbers in turn.
_ADD = """
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then return 0 end
for at = 5, #ARGV, 6 do
    local model = ARGV[at]
    local known = redis.call('HEXISTS', KEYS[1], 'r:' .. model) == 1
    if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then model = ARGV[4] end
    for kind = 1, 5 do
        redis.call('HINCRBY', KEYS[1], string.sub('rhtcm', kind, kind) .. ':' .. model, ARGV[at + kind])
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class RedisSavings:
    """SavingsStore on one Redis."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse", clock: Callable[[], float] = time.time) -> None:
        self._link = link
        self._prefix = prefix
        self._clock = clock

    async def add(self, counts: Mapping[Account, Saved], *, batch_id: str) -> None:
        """As in SavingsStore. The list of hashes is written first: none is ever there that a reader would not find."""
        by_hash: dict[tuple[str, str], list[tuple[str, Saved]]] = {}
        for account, saved in counts.items():
            by_hash.setdefault((account.day, account.tenant), []).append((account.model, saved))
        forgotten = day_of(self._clock() - KEPT_DAYS * _DAY_SECONDS)
        members = [part for day, tenant in by_hash for part in (0, _member(day, tenant))]
        listing: list[Command] = [
            ("ZADD", self._accounts, *members),
            ("ZREMRANGEBYLEX", self._accounts, "-", f"({forgotten}"),
        ]
        await self._link.call_all(listing)
        adding = [self._adding(day, tenant, batch_id, models) for (day, tenant), models in by_hash.items()]
        for some in _slices(adding):
            await self._link.call_all(some)

    async def read(self, tenant: str | None, *, first_day: str, last_day: str) -> dict[Account, Saved]:
        """As in SavingsStore."""
        if tenant is None:
            hashes = await self._listed(first_day, last_day)
        else:
            hashes = [(day, tenant) for day in days_between(first_day, last_day)]
        found: dict[Account, Saved] = {}
        for some in _slices(hashes):
            replies = await self._link.call_all([("HGETALL", self._hash(day, whose)) for day, whose in some])
            for (day, whose), reply in zip(some, replies, strict=True):
                found |= {Account(whose, day, model): saved for model, saved in _models(reply)}
        return found

    async def close(self) -> None:
        """As in SavingsStore."""
        await self._link.close()

    @property
    def _accounts(self) -> str:
        return f"{self._prefix}:saved:accounts"

    async def _listed(self, first_day: str, last_day: str) -> list[tuple[str, str]]:
        """Day and tenant of every hash there is, in some order of days."""
        names = await self._link.call("ZRANGEBYLEX", self._accounts, f"[{first_day}", f"[{last_day}\xff")
        return [(day, tenant) for day, _, tenant in (_text(name).partition(" ") for name in names)]

    def _adding(self, day: str, tenant: str, batch_id: str, models: Sequence[tuple[str, Saved]]) -> Command:
        mark = f"{self._tag(tenant)}saved:batch:{batch_id}:{day}"
        content: list[bytes | int] = []
        for model, saved in models:
            content += (_bytes(model), *_numbers(saved))
        lives = (_MARK_MILLISECONDS, KEPT_DAYS * _DAY_SECONDS * 1000)
        most = MOST_MODELS * len(_KINDS)
        return ("EVAL", _ADD, 2, self._hash(day, tenant), mark, *lives, most, OTHER_MODEL, *content)

    def _hash(self, day: str, tenant: str) -> str:
        return f"{self._tag(tenant)}saved:{day}"

    def _tag(self, tenant: str) -> str:
        return namespace_tag(self._prefix, tenant, "")


def _numbers(saved: Saved) -> tuple[int, ...]:
    return saved.requests, saved.hits, saved.tokens, saved.cost_nanos, saved.micros


def _models(reply: Sequence[bytes]) -> Iterable[tuple[str, Saved]]:
    """The models of a hash with what they saved."""
    numbers: dict[str, dict[str, int]] = {}
    for name, value in zip(reply[::2], reply[1::2], strict=True):
        kind, _, model = _text(name).partition(":")
        numbers.setdefault(model, {})[kind] = int(value)
    for model, by_kind in numbers.items():
        yield model, Saved(*(by_kind.get(kind, 0) for kind in _KINDS))


def _slices(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))


def _member(day: str, tenant: str) -> bytes:
    return _bytes(f"{day} {tenant}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
