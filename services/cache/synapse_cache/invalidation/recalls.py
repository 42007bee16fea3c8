"""Invalidations that this replica has heard of: what they cover is not served, wherever it still lies.

Stores show a removal late, and an answer may wait in the journal while its like are removed; this bridges both.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synapse_cache.invalidation.conditions import Conditions
    from synapse_cache.model import Embedding, Entry

_Shelf: TypeAlias = "tuple[str, str, str]"
_MOST = 10_000


class Recalls:
    """The last 10,000 of them; asked on every hit, at a cost that does not grow with their number."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, Conditions], float] = OrderedDict()
        self._shelves: dict[_Shelf, dict[Conditions, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, tenant: str, conditions: Conditions) -> None:
        """Cover the tenant's entries that meet `conditions` and are older than their `created_before`.

        It is needed unless they name an id, which is never given twice.
        """
        lasting, before = replace(conditions, created_before=None), conditions.created_before or 0.0
        before = max(before, self._known.pop((tenant, lasting), 0.0))
        self._known[tenant, lasting] = before
        self._shelves.setdefault(_shelf(tenant, lasting), {})[lasting] = before
        if len(self._known) > self._most:
            (whose, oldest), _ = self._known.popitem(last=False)
            shelf = self._shelves[_shelf(whose, oldest)]
            del shelf[oldest]
            if not shelf:
                del self._shelves[_shelf(whose, oldest)]

    def cover(self, entry: Entry, embedding: Embedding | None = None) -> bool:
        """Whether `entry` was invalidated after it was made; likeness is seen only where its vector is given."""
        if not self._shelves:
            return False
        for name in _shelves(entry):
            for conditions, before in self._shelves.get(name, _NONE).items():
                if (conditions.id or entry.created_at < before) and conditions.covers(entry, embedding):
                    return True
        return False


_NONE: dict[Conditions, float] = {}


def _shelf(tenant: str, conditions: Conditions) -> _Shelf:
    """Where conditions lie: by the one that fewest entries meet."""
    for name in ("id", "key", "tag", "model"):
        if value := getattr(conditions, name):
            return (tenant, name, value)
    return (tenant, "", "")


def _shelves(entry: Entry) -> Iterator[_Shelf]:
    """Where conditions that `entry` meets may lie."""
    tenant = entry.tenant
    yield (tenant, "id", entry.id)
    yield (tenant, "key", entry.key)
    for tag in entry.tags:
        yield (tenant, "tag", tag)
    yield (tenant, "model", entry.model)
    yield (tenant, "", "")
