"""The exact store in memory: for tests, for one process alone, and as the measure of what the others must do."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias

from synapse_cache.invalidation.conditions import Conditions, Page, Ref, ref_of
from synapse_cache.model import Entry, Place

_Slot: TypeAlias = "tuple[str, str, str]"
_DELETED_SECONDS = 60.0
_MAX_EPOCHS = 100_000


class MemoryExactStore:
    """ExactStore of at most `max_keys` keys, aliases included; the least recently read ones go first."""

    def __init__(self, *, max_keys: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._entries: OrderedDict[_Slot, Entry] = OrderedDict()
        self._slots: dict[tuple[str, str], set[_Slot]] = {}
        self._epochs: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._tenant_epochs: dict[str, int] = {}
        self._last_epoch = 0
        self._deleted: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def get(self, place: Place, key: str, *, stale: bool = False) -> tuple[Entry | None, int]:
        """As in ExactStore."""
        epoch = self._epoch(place.tenant, place.namespace, told=place.epoch)
        slot = (place.tenant, place.namespace, key)
        entry = self._entries.get(slot)
        if entry is None:
            return None, epoch
        if not self._is_kept(entry):
            self._remove(slot)
            return None, epoch
        if not stale and entry.expires_at <= self._clock():
            return None, epoch
        self._entries.move_to_end(slot)
        return entry, epoch

    async def put(self, entry: Entry, *, alias_keys: Sequence[str] = ()) -> None:
        """As in ExactStore. An entry deleted within the last minute stays deleted: a late alias cannot revive it."""
        if self._deleted.get((entry.tenant, entry.id), 0.0) > self._clock():
            return
        for key in dict.fromkeys((entry.key, *alias_keys)):
            slot = (entry.tenant, entry.namespace, key)
            self._remove(slot)
            if entry.kept_until > self._clock():
                self._entries[slot] = entry
                self._slots.setdefault((entry.tenant, entry.id), set()).add(slot)
        while len(self._entries) > self._max_keys:
            self._remove(next(iter(self._entries)))

    async def find(self, tenant: str, entry_id: str) -> Entry | None:
        """As in ExactStore."""
        entries = (self._entries[slot] for slot in self._slots.get((tenant, entry_id), ()))
        return next((entry for entry in entries if self._is_kept(entry)), None)

    async def delete(self, tenant: str, entry_id: str) -> Entry | None:
        """As in ExactStore."""
        entry = await self.find(tenant, entry_id)
        for slot in tuple(self._slots.get((tenant, entry_id), ())):
            self._remove(slot)
        self._mark_deleted((tenant, entry_id))
        return entry

    async def unlink(self, place: Place, key: str, entry_id: str) -> bool:
        """As in ExactStore."""
        slot = (place.tenant, place.namespace, key)
        entry = self._entries.get(slot)
        if entry is None or entry.id != entry_id or entry.key == key:
            return False
        self._remove(slot)
        return True

    async def delete_key(self, place: Place, key: str) -> Entry | None:
        """As in ExactStore."""
        entry, _ = await self.get(place, key, stale=True)
        return None if entry is None else await self.delete(place.tenant, entry.id)

    async def remove(self, tenant: str, refs: Sequence[Ref]) -> None:
        """As in ExactStore."""
        for ref in refs:
            await self.delete(tenant, ref.id)

    async def select(self, tenant: str, conditions: Conditions, *, limit: int, after: str = "") -> Page:
        """As in ExactStore."""
        start = tuple(json.loads(after)) if after else ()
        slots = sorted(slot for slot in self._entries if slot[0] == tenant and slot > start)
        looked_at = [self._entries[slot] for slot in slots[:limit]]
        meant = {
            entry.id: ref_of(entry)
            for entry in looked_at
            if self._is_kept(entry)
            and conditions.covers_plainly(entry)
            and (conditions.likeness is None or entry.prompt is not None)
        }
        return Page(tuple(meant.values()), json.dumps(slots[limit - 1]) if len(slots) > limit else "")

    async def read(self, tenant: str, refs: Sequence[Ref]) -> list[Entry]:
        """As in ExactStore."""
        found = (self._entries.get((tenant, ref.namespace, ref.key)) for ref in refs)
        held = (entry for entry, ref in zip(found, refs, strict=True) if entry is not None and entry.id == ref.id)
        return [entry for entry in held if entry.kept_until > self._clock()]

    async def flush(self, tenant: str, namespace: str | None) -> int:
        """As in ExactStore."""
        if namespace is None:
            self._tenant_epochs[tenant] = self._next_epoch()
            return self._tenant_epochs[tenant]
        self._epochs.pop((tenant, namespace), None)
        return self._epoch(tenant, namespace)

    async def ping(self) -> None:
        """As in ExactStore."""

    async def close(self) -> None:
        """As in ExactStore."""

    def _epoch(self, tenant: str, namespace: str, *, told: int = 0) -> int:
        """The namespace's epoch; one that was forgotten is what the caller tells, or above every epoch ever given."""
        known = self._epochs.get((tenant, namespace))
        least = max(told, self._tenant_epochs.get(tenant, 0))
        if known is None or known < least:
            known = least if told or known is not None else self._next_epoch()
            self._last_epoch = max(self._last_epoch, known)
            self._epochs[tenant, namespace] = known
            if len(self._epochs) > _MAX_EPOCHS:
                self._epochs.popitem(last=False)
        return known

    def _next_epoch(self) -> int:
        self._last_epoch = max(self._last_epoch + 1, int(self._clock() * 1e6))
        return self._last_epoch

    def _is_kept(self, entry: Entry) -> bool:
        return entry.kept_until > self._clock() and entry.epoch == self._epoch(entry.tenant, entry.namespace)

    def _remove(self, slot: _Slot) -> None:
        entry = self._entries.pop(slot, None)
        if entry is None:
            return
        slots = self._slots[entry.tenant, entry.id]
        slots.discard(slot)
        if not slots:
            del self._slots[entry.tenant, entry.id]

    def _mark_deleted(self, name: tuple[str, str]) -> None:
        now = self._clock()
        self._deleted.pop(name, None)
        self._deleted[name] = now + _DELETED_SECONDS
        while next(iter(self._deleted.values())) <= now:
            self._deleted.popitem(last=False)
