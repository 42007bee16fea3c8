"""Recent writes, kept in memory until every store shows them: a new answer can be reused at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.model import Entry, Match

if TYPE_CHECKING:
    from synapse_cache.model import Place, Vector


@dataclass(slots=True)
class _Recent:
    entry: Entry
    vector: Vector | None
    written_at: float


class RecentWrites:
    """The last `capacity` entries written here, each for at least `seconds` unless pushed out earlier."""

    def __init__(self, *, capacity: int, seconds: float) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._by_key: OrderedDict[tuple[str, str, str], _Recent] = OrderedDict()
        self._by_scope: dict[tuple[str, str, str], dict[str, _Recent]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, entry: Entry, vector: Vector | None, *, now: float) -> None:
        """Remember `entry`; with a vector it can also be found by meaning."""
        self._drop(self._by_key.pop(_key(entry), None))
        recent = _Recent(entry, vector, now)
        self._by_key[_key(entry)] = recent
        if vector is not None:
            self._by_scope.setdefault(_scope(entry), {})[entry.id] = recent
        self._prune(now)

    def get(self, place: Place, key: str, *, now: float) -> Entry | None:
        """The live entry of an exact key."""
        recent = self._by_key.get((place.tenant, place.namespace, key))
        if recent is None or not recent.entry.belongs_to(place) or recent.entry.expires_at <= now:
            return None
        return recent.entry

    def vector_of(self, entry: Entry) -> Vector | None:
        """The vector that `entry` was added with."""
        recent = self._by_key.get(_key(entry))
        return recent.vector if recent is not None and recent.entry.id == entry.id else None

    def has_newer(self, entry: Entry) -> bool:
        """Whether a later answer to the same exact question is known."""
        recent = self._by_key.get(_key(entry))
        return recent is not None and recent.entry.created_at > entry.created_at

    def find(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id in the tenant."""
        for recent in self._by_key.values():
            if recent.entry.id == entry_id and recent.entry.tenant == tenant:
                return recent.entry
        return None

    def search(self, vector: Vector, *, place: Place, scope: str, min_similarity: float, now: float) -> list[Match]:
        """Live entries of the place and scope that are at least that similar, in no order."""
        found = self._by_scope.get((place.tenant, place.namespace, scope), {})
        live = [
            recent
            for recent in found.values()
            if recent.vector is not None
            and recent.entry.epoch == place.epoch
            and recent.entry.semantic_expires_at > now
            and recent.vector.shape == vector.shape
        ]
        if not live:
            return []
        similarities = np.stack([recent.vector for recent in live if recent.vector is not None]) @ vector
        return [
            match_of(recent.entry, float(similarity))
            for recent, similarity in zip(live, similarities, strict=True)
            if similarity >= min_similarity
        ]

    def forget(self, tenant: str, entry_id: str) -> bool:
        """Forget the entry of that id; returns whether it was here."""
        for key, recent in self._by_key.items():
            if recent.entry.id == entry_id and recent.entry.tenant == tenant:
                self._drop(self._by_key.pop(key))
                return True
        return False

    def _prune(self, now: float) -> None:
        while self._by_key:
            key, oldest = next(iter(self._by_key.items()))
            if len(self._by_key) <= self._capacity and now - oldest.written_at <= self._seconds:
                return
            self._drop(self._by_key.pop(key))

    def _drop(self, recent: _Recent | None) -> None:
        if recent is None:
            return
        scope = _scope(recent.entry)
        entries = self._by_scope.get(scope, {})
        if entries.pop(recent.entry.id, None) is not None and not entries:
            del self._by_scope[scope]


def match_of(entry: Entry, similarity: float) -> Match:
    """`entry` as something found by meaning."""
    return Match(entry.id, entry.key, entry.prompt or "", similarity, entry.created_at, entry.semantic_expires_at)


def _key(entry: Entry) -> tuple[str, str, str]:
    return (entry.tenant, entry.namespace, entry.key)


def _scope(entry: Entry) -> tuple[str, str, str]:
    return (entry.tenant, entry.namespace, entry.scope)
