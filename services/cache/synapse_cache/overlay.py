"""Recent writes, kept in memory until every store shows them: a new answer can be reused at once."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.model import Entry, Match

if TYPE_CHECKING:
    import numpy.typing as npt

    from synapse_cache.invalidation.conditions import Conditions
    from synapse_cache.model import Embedding, Place

    Matrix = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Recent:
    entry: Entry
    embedding: Embedding | None
    written_at: float


class RecentWrites:
    """The last `capacity` entries written here, each for at least `seconds` unless pushed out earlier.

    By meaning an entry is found here until the vector store has shown it for `visible_after_seconds`: from then on
    searching it here, too, would only cost time.
    """

    def __init__(self, *, capacity: int, seconds: float, visible_after_seconds: float = 0.0) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._visible_after = visible_after_seconds
        self._by_key: OrderedDict[tuple[str, str, str], _Recent] = OrderedDict()
        self._by_scope: dict[tuple[str, str, str], _Unseen] = {}
        self._in_store: deque[tuple[float, _Recent]] = deque()

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, entry: Entry, embedding: Embedding | None, *, now: float) -> None:
        """Remember `entry`; with its prompt's vector it can also be found by meaning."""
        self._drop(self._by_key.pop(_key(entry), None))
        recent = _Recent(entry, embedding, now)
        self._by_key[_key(entry)] = recent
        if embedding is not None:
            self._by_scope.setdefault(_scope(entry), _Unseen()).add(recent)
        self._prune(now)

    def in_store(self, entries: Iterable[Entry], *, now: float) -> None:
        """Note that the vector store has taken `entries`."""
        for entry in entries:
            recent = self._by_key.get(_key(entry))
            if recent is not None and recent.entry.id == entry.id:
                self._in_store.append((now + self._visible_after, recent))
        self._leave_to_store(now)

    def get(self, place: Place, key: str, *, now: float) -> Entry | None:
        """The live entry of an exact key."""
        recent = self._by_key.get((place.tenant, place.namespace, key))
        if recent is None or not recent.entry.belongs_to(place) or recent.entry.expires_at <= now:
            return None
        return recent.entry

    def embedding_of(self, entry: Entry) -> Embedding | None:
        """The vector that `entry` was added with."""
        recent = self._by_key.get(_key(entry))
        return recent.embedding if recent is not None and recent.entry.id == entry.id else None

    def has_newer(self, entry: Entry) -> bool:
        """Whether a later answer to the same exact question is known."""
        recent = self._by_key.get(_key(entry))
        return recent is not None and recent.entry.created_at > entry.created_at

    def replaces(self, place: Place, key: str, entry_id: str) -> bool:
        """Whether another entry than that one was written under `key` lately."""
        recent = self._by_key.get((place.tenant, place.namespace, key))
        return recent is not None and recent.entry.id != entry_id

    def select(self, tenant: str, conditions: Conditions) -> list[Entry]:
        """The tenant's entries that meet `conditions`; of likeness, those that nothing is known about do not."""
        return [
            recent.entry
            for recent in self._by_key.values()
            if recent.entry.tenant == tenant and conditions.covers(recent.entry, recent.embedding)
        ]

    def find(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id in the tenant."""
        for recent in self._by_key.values():
            if recent.entry.id == entry_id and recent.entry.tenant == tenant:
                return recent.entry
        return None

    def search(
        self, embedding: Embedding, *, place: Place, scope: str, min_similarity: float, now: float
    ) -> list[Match]:
        """Live entries of the place and scope whose vectors, of the same space, are that similar, in no order."""
        self._leave_to_store(now)
        unseen = self._by_scope.get((place.tenant, place.namespace, scope))
        if unseen is None:
            return []
        return [
            match_of(recent.entry, similarity)
            for recent, similarity in unseen.similar(embedding, min_similarity)
            if recent.entry.epoch == place.epoch and recent.entry.semantic_expires_at > now
        ]

    def forget(self, tenant: str, entry_id: str) -> bool:
        """Forget the entry of that id; returns whether it was here."""
        for key, recent in self._by_key.items():
            if recent.entry.id == entry_id and recent.entry.tenant == tenant:
                self._drop(self._by_key.pop(key))
                return True
        return False

    def clear(self) -> None:
        """Forget everything."""
        self._by_key.clear()
        self._by_scope.clear()
        self._in_store.clear()

    def _prune(self, now: float) -> None:
        while self._by_key:
            key, oldest = next(iter(self._by_key.items()))
            if len(self._by_key) <= self._capacity and now - oldest.written_at <= self._seconds:
                return
            self._drop(self._by_key.pop(key))

    def _leave_to_store(self, now: float) -> None:
        while self._in_store and self._in_store[0][0] <= now:
            self._drop(self._in_store.popleft()[1])

    def _drop(self, recent: _Recent | None) -> None:
        """Take an entry out of what is found by meaning."""
        if recent is None:
            return
        scope = _scope(recent.entry)
        unseen = self._by_scope.get(scope)
        if unseen is not None and unseen.remove(recent):
            del self._by_scope[scope]


class _Unseen:
    """The entries of one scope that the vector store may not show yet, and their vectors as one matrix."""

    def __init__(self) -> None:
        self._entries: dict[str, _Recent] = {}
        self._rows: tuple[_Recent, ...] = ()
        self._matrix: Matrix | None = None
        self._space = ""

    def add(self, recent: _Recent) -> None:
        self._entries[recent.entry.id] = recent
        self._matrix = None

    def remove(self, recent: _Recent) -> bool:
        """Whether nothing is left."""
        if self._entries.get(recent.entry.id) is recent:
            del self._entries[recent.entry.id]
            self._matrix = None
        return not self._entries

    def similar(self, embedding: Embedding, min_similarity: float) -> list[tuple[_Recent, float]]:
        if self._matrix is None or self._space != embedding.fingerprint:
            known = [(one, one.embedding) for one in self._entries.values() if one.embedding is not None]
            fitting = [(one, row.vector) for one, row in known if row.fingerprint == embedding.fingerprint]
            if not fitting:
                return []
            self._space = embedding.fingerprint
            self._rows = tuple(one for one, _ in fitting)
            self._matrix = np.stack([row for _, row in fitting])
        similarities = self._matrix @ embedding.vector
        near = np.flatnonzero(similarities >= min_similarity)
        return [(self._rows[row], float(similarities[row])) for row in near]


def match_of(entry: Entry, similarity: float) -> Match:
    """`entry` as something found by meaning."""
    return Match(entry.id, entry.key, entry.prompt or "", similarity, entry.created_at, entry.semantic_expires_at)


def _key(entry: Entry) -> tuple[str, str, str]:
    return (entry.tenant, entry.namespace, entry.key)


def _scope(entry: Entry) -> tuple[str, str, str]:
    return (entry.tenant, entry.namespace, entry.scope)
