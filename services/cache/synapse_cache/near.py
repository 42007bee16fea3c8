"""The near cache (L0): hot entries by exact key in this process, in front of Redis.

It asks nobody, so it is kept true by what is broadcast: each entry stays for a bounded time, and nothing is served
while the broadcast cannot be heard.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache.invalidation.conditions import Conditions

if TYPE_CHECKING:
    from synapse_cache.model import Entry, Place

_Slot: TypeAlias = "tuple[str, str, str]"
_LONGEST_ANSWER = 64 * 1024


class NearCache:
    """The last `capacity` entries read from the exact store, each for `seconds`; long answers are left to the store."""

    def __init__(self, *, capacity: int = 0, seconds: float = 5.0) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._kept: OrderedDict[_Slot, tuple[Entry, float]] = OrderedDict()
        self._hears = False

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, place: Place, key: str, *, now: float) -> Entry | None:
        """The entry that `key` leads to; its epoch is for the caller to check."""
        slot = (place.tenant, place.namespace, key)
        kept = self._kept.get(slot)
        if kept is None:
            return None
        entry, until = kept
        if now >= until or entry.expires_at <= now:
            del self._kept[slot]
            return None
        self._kept.move_to_end(slot)
        return entry

    def put(self, place: Place, key: str, entry: Entry, *, now: float) -> None:
        """Keep what the exact store has just shown, if the broadcast is heard."""
        if not self._hears or not self._capacity or len(entry.answer) > _LONGEST_ANSWER:
            return
        self._kept[place.tenant, place.namespace, key] = (entry, now + self._seconds)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def drop(self, tenant: str, conditions: Conditions) -> None:
        """Let go of every entry of the tenant that meets `conditions`, whatever its likeness."""
        gone = [
            slot
            for slot, (entry, _) in self._kept.items()
            if entry.tenant == tenant and (conditions.covers_plainly(entry) or slot[2] == conditions.key)
        ]
        for slot in gone:
            del self._kept[slot]

    def flush(self, tenant: str, namespace: str | None) -> None:
        """Let go of a namespace, or of everything of the tenant."""
        self.drop(tenant, Conditions(namespace=namespace))

    def clear(self) -> None:
        """Let go of everything."""
        self._kept.clear()

    def hear(self, *, hears: bool) -> None:
        """Tell whether the broadcast is heard; while it is not, nothing is kept."""
        self._hears = hears
        if not hears:
            self.clear()
