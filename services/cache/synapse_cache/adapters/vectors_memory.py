"""A vector store in memory: exact, for one process, gone with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.invalidation.conditions import Conditions, Leg, Page, ref_of
from synapse_cache.model import Entry, Match, Place

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Likeness
    from synapse_cache.model import Vector

_Spot = tuple[Place, str]


class MemoryVectorStore:
    """Compares with every entry of the place and scope; made for tests and small caches."""

    shared = False

    def __init__(self) -> None:
        self._spots: dict[_Spot, dict[str, tuple[Entry, Vector]]] = {}
        self._entries: dict[tuple[str, str], Entry] = {}

    async def search(
        self, vector: Vector, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """As the port says."""
        spot = self._spots.get((place, scope), {})
        live = [item for item in spot.values() if item[0].semantic_expires_at > now]
        if not live:
            return []
        similarities = np.stack([stored for _, stored in live]) @ vector
        best = np.argsort(-similarities, kind="stable")[:limit]
        return [
            _match(live[index][0], similarity)
            for index in best
            if (similarity := min(1.0, float(similarities[index]))) >= min_similarity
        ]

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """As the port says."""
        return self._entries.get((tenant, entry_id))

    async def insert(self, items: Sequence[tuple[Entry, Vector]]) -> None:
        """As the port says."""
        for entry, vector in items:
            if (entry.tenant, entry.id) not in self._entries:
                self._entries[entry.tenant, entry.id] = entry
                self._spots.setdefault(_spot(entry), {})[entry.id] = (entry, vector)

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """As the port says."""
        return self._remove([self._entries[key] for id_ in set(entry_ids) if (key := (tenant, id_)) in self._entries])

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """As the port says."""
        mine = sorted(entry_id for whose, entry_id in self._entries if whose == tenant and entry_id > after)
        refs = [
            ref_of(entry)
            for entry_id in mine[:limit]
            if (entry := self._entries[tenant, entry_id]).semantic_expires_at > now
            and conditions.covers_plainly(entry)
            and self._is_like(entry, conditions.likeness)
        ]
        return Page(tuple(refs), mine[limit - 1] if len(mine) > limit else "")

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As the port says."""
        start = tuple(json.loads(after)) if after else ()
        names = sorted(name for name in self._entries if tenant in {None, name[0]} and name > start)
        looked_at = [self._entries[name] for name in names[:limit]]
        items = [
            (entry, self._spots[_spot(entry)][entry.id][1])
            for entry in looked_at
            if entry.semantic_expires_at > now and (tenant is None or conditions.covers_plainly(entry))
        ]
        return Leg(tuple(items), json.dumps(names[limit - 1]) if len(names) > limit else "")

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """As the port says."""
        return {entry_id for entry_id in entry_ids if (tenant, entry_id) in self._entries}

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """As the port says."""
        return self._remove(
            [
                entry
                for entry in self._entries.values()
                if entry.tenant == tenant and namespace in {None, entry.namespace} and entry.epoch < before_epoch
            ]
        )

    async def expire(self, *, now: float) -> int:
        """As the port says."""
        return self._remove([entry for entry in self._entries.values() if entry.semantic_expires_at <= now])

    async def count(self, tenant: str | None = None) -> int:
        """As the port says."""
        return sum(tenant is None or entry.tenant == tenant for entry in self._entries.values())

    async def ping(self) -> None:
        """As the port says."""

    async def drop(self) -> None:
        """As the port says."""
        self._remove(list(self._entries.values()))

    async def close(self) -> None:
        """As the port says."""

    def _is_like(self, entry: Entry, likeness: Likeness | None) -> bool:
        if likeness is None:
            return True
        _, vector = self._spots[_spot(entry)][entry.id]
        return float(vector @ likeness.embedding.vector) >= likeness.min_similarity

    def _remove(self, entries: Sequence[Entry]) -> int:
        for entry in entries:
            del self._entries[entry.tenant, entry.id]
            spot = self._spots[_spot(entry)]
            del spot[entry.id]
            if not spot:
                del self._spots[_spot(entry)]
        return len(entries)


def _spot(entry: Entry) -> _Spot:
    return Place(entry.tenant, entry.namespace, entry.epoch), entry.scope


def _match(entry: Entry, similarity: float) -> Match:
    prompt = entry.prompt or ""
    return Match(entry.id, entry.key, prompt, similarity, entry.created_at, entry.semantic_expires_at)
