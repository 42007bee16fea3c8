"""Taking answers back: by id, by exact key, or a whole namespace at once."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache.ports import StoreUnavailable
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Lookup, Stores
    from synapse_cache.model import Entry, Place
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache.invalidation")


class Invalidation:
    """Removes entries from every store.

    Raises Unavailable when a store cannot be asked: an invalidation that was not carried out must not look done.
    """

    def __init__(self, stores: Stores, writer: Writer, recent: RecentWrites, lookup: Lookup) -> None:
        self._stores = stores
        self._writer = writer
        self._recent = recent
        self._lookup = lookup

    async def get(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id, from whichever store has it."""
        recent = self._recent.find(tenant, entry_id)
        if recent is not None:
            return recent
        try:
            found = await self._stores.exact.find(tenant, entry_id)
            return found or await self._stores.vectors.fetch(tenant, entry_id)
        except StoreUnavailable as error:
            raise _unavailable(error) from error

    async def by_id(self, tenant: str, entry_id: str) -> int:
        """Remove one entry; returns 1, or 0 when there was none."""
        try:
            entry = await self._stores.exact.delete(tenant, entry_id)
            removed = await self._stores.vectors.delete(tenant, [entry_id])
        except StoreUnavailable as error:
            raise _unavailable(error) from error
        was_recent = self._recent.forget(tenant, entry_id)
        await self._writer.forget(tenant, [entry_id])
        _log.info("entry removed", extra={"tenant": tenant, "entry_id": entry_id})
        return int(entry is not None or removed > 0 or was_recent)

    async def by_key(self, place: Place, key: str) -> int:
        """Remove the entry that an exact key leads to; returns 1, or 0 when there was none."""
        try:
            entry, epoch = await self._stores.exact.get(place, key, stale=True)
            await self._stores.exact.delete_key(place, key)
        except StoreUnavailable as error:
            raise _unavailable(error) from error
        entry = entry or self._recent.get(replace(place, epoch=epoch), key, now=0.0)
        return 0 if entry is None else max(1, await self.by_id(place.tenant, entry.id))

    async def flush(self, place: Place) -> int:
        """Kill a whole namespace at once; returns how many entries the vector store knew of, -1 when unknown."""
        try:
            epoch = await self._stores.exact.flush(place.tenant, place.namespace)
        except StoreUnavailable as error:
            raise _unavailable(error) from error
        self._lookup.remember_epoch(replace(place, epoch=epoch))
        _log.info("namespace flushed", extra={"tenant": place.tenant, "namespace": place.namespace, "epoch": epoch})
        try:  # the new epoch hides them already; this gives their room back
            return await self._stores.vectors.delete_namespace(place.tenant, place.namespace, before_epoch=epoch)
        except StoreUnavailable:
            return -1


def _unavailable(error: StoreUnavailable) -> Unavailable:
    return Unavailable(f"a store cannot be asked: {error}", reason="STORE_UNAVAILABLE", retry_after_seconds=1)
