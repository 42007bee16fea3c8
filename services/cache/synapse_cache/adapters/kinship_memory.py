"""Relations of wordings in memory: for tests, for one process alone, and as the measure of what the others must do."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache.feedback.relations import MOST_RELATIONS, Relation

if TYPE_CHECKING:
    from synapse_cache.trust.trust import Home

MOST_CHANGES = 10_000


class MemoryKinshipStore:
    """KinshipStore of one process; replicas are those that share the object."""

    def __init__(self, *, most: int = MOST_RELATIONS) -> None:
        self._most = most
        self._homes: dict[Home, dict[Relation, float]] = {}
        self._changes: deque[tuple[int, Home, Relation]] = deque(maxlen=MOST_CHANGES)
        self._last = 0

    async def add(self, relations: Sequence[tuple[Home, Relation]]) -> None:
        """As in KinshipStore."""
        for home, relation in relations:
            known = self._homes.setdefault(home, {})
            timeless = replace(relation, at=0.0)
            known[timeless] = max(relation.at, known.get(timeless, relation.at))
            if len(known) > self._most:
                del known[min(known, key=lambda one: known[one])]
            self._last += 1
            self._changes.append((self._last, home, relation))

    async def load(self, home: Home) -> list[Relation]:
        """As in KinshipStore."""
        return [replace(relation, at=at) for relation, at in self._homes.get(home, {}).items()]

    async def cursor(self) -> str:
        """As in KinshipStore."""
        return str(self._last)

    async def changes(self, cursor: str, *, limit: int) -> tuple[str, list[tuple[Home, Relation]]]:
        """As in KinshipStore."""
        found = [change for change in self._changes if change[0] > int(cursor)][:limit]
        last = found[-1][0] if found else cursor
        return str(last), [(home, relation) for _, home, relation in found]

    async def close(self) -> None:
        """As in KinshipStore."""
