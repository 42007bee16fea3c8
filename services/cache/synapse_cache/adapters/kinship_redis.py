"""Relations of wordings in Redis or Valkey: they only ever grow newer, so replicas may write in any order.

{prefix}:{TAG}:kin        a sorted set: relations as JSON by their time, the newest of one namespace
{prefix}:kinship          a stream of what was added lately, by which the replicas follow each other
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from synapse_cache.adapters.redis_names import namespace_tag
from synapse_cache.adapters.rejected import reject
from synapse_cache.feedback.relations import MOST_RELATIONS, Relation
from synapse_cache.trust.evidence import Source

if TYPE_CHECKING:
    from synapse_cache.adapters.exact_redis_link import Command, RedisLink
    from synapse_cache.trust.trust import Home

_MOST_CHANGES = 10_000
_KEPT_MILLISECONDS = 90 * 86_400_000


class RedisKinshipStore:
    """KinshipStore on one Redis; every exchange ends within the link's timeout or raises StoreUnavailable."""

    def __init__(self, link: RedisLink, *, prefix: str = "synapse", most: int = MOST_RELATIONS) -> None:
        self._link = link
        self._prefix = prefix
        self._most = most
        self._stream = f"{prefix}:kinship"

    async def add(self, relations: Sequence[tuple[Home, Relation]]) -> None:
        """As in KinshipStore."""
        commands: list[Command] = []
        for home, relation in relations:
            member, at = _member(relation), repr(relation.at)
            commands += (
                ("ZADD", self._name(home), "GT", at, member),
                ("XADD", self._stream, "MAXLEN", "~", _MOST_CHANGES, "*", "h", _json(home), "r", member, "at", at),
            )
        for home in dict.fromkeys(home for home, _ in relations):
            name = self._name(home)
            commands += (("ZREMRANGEBYRANK", name, 0, -self._most - 1), ("PEXPIRE", name, _KEPT_MILLISECONDS))
        if commands:
            await self._link.call_all(commands)

    async def load(self, home: Home) -> list[Relation]:
        """As in KinshipStore; what is no relation is counted, logged and left out."""
        flat = await self._link.call("ZRANGE", self._name(home), 0, -1, "WITHSCORES")
        return list(_relations(zip(flat[::2], flat[1::2], strict=True)))

    async def cursor(self) -> str:
        """As in KinshipStore."""
        last = await self._link.call("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        return last[0][0].decode() if last else "0-0"

    async def changes(self, cursor: str, *, limit: int) -> tuple[str, list[tuple[Home, Relation]]]:
        """As in KinshipStore."""
        found = await self._link.call("XRANGE", self._stream, f"({cursor}", "+", "COUNT", limit)
        changes: list[tuple[Home, Relation]] = []
        for _, flat in found:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            home = tuple(json.loads(fields[b"h"]))
            changes += ((home, relation) for relation in _relations([(fields[b"r"], fields[b"at"])]))
        return (found[-1][0].decode() if found else cursor), changes

    async def close(self) -> None:
        """As in KinshipStore."""
        await self._link.close()

    def _name(self, home: Home) -> str:
        return namespace_tag(self._prefix, *home) + "kin"


def _member(relation: Relation) -> bytes:
    parts = (relation.source, relation.entry_id, relation.asked, relation.same, relation.entry_key, relation.asked_id)
    return _json(parts)


def _json(parts: Iterable[object]) -> bytes:
    return json.dumps(list(parts), separators=(",", ":")).encode()


def _relations(stored: Iterable[tuple[Any, Any]]) -> Iterable[Relation]:
    for member, at in stored:
        try:
            source, entry_id, asked, same, entry_key, asked_id = json.loads(member)
            relation = Relation(Source(source), entry_id, asked, bool(same), float(at), entry_key, asked_id)
        except (ValueError, TypeError) as error:
            reject("redis", "corrupt", f"a relation of wordings: {error}")
        else:
            yield relation
