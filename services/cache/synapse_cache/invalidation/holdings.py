"""What one replica holds of entries beside the stores: recent writes, what waits to be written, the near cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from synapse_cache.invalidation.conditions import Conditions, ref_of

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Ref
    from synapse_cache.invalidation.recalls import Recalls
    from synapse_cache.lookup import Lookup
    from synapse_cache.model import Entry
    from synapse_cache.near import NearCache
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.writer import Writer


class Holdings:
    """All of it together, for whoever takes answers back."""

    def __init__(
        self, recent: RecentWrites, writer: Writer, lookup: Lookup, *, near: NearCache, recalls: Recalls
    ) -> None:
        self._recent = recent
        self._writer = writer
        self._lookup = lookup
        self._near = near
        self._recalls = recalls

    def find(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id."""
        return self._recent.find(tenant, entry_id)

    def select(self, tenant: str, conditions: Conditions) -> list[Ref]:
        """Entries that meet `conditions`."""
        return [ref_of(entry) for entry in self._recent.select(tenant, conditions)]

    async def let_go(self, tenant: str, conditions: Conditions, *, until: float) -> list[Ref]:
        """Serve and write nothing more that meets `conditions` and was made before `until`, in seconds since the epoch.

        Returns what was held of it, which may be in the stores by now.
        """
        bounded = conditions.until(until)
        self._near.drop(tenant, conditions)
        self._recalls.add(tenant, bounded)
        held = self.select(tenant, bounded)
        await self.forget(tenant, held)
        return held

    async def recall(self, tenant: str, refs: Iterable[Ref]) -> None:
        """Serve and write none of these any more."""
        refs = tuple(refs)
        for ref in refs:
            named = Conditions(id=ref.id)
            self._near.drop(tenant, named)
            self._recalls.add(tenant, named)
        await self.forget(tenant, refs)

    async def forget(self, tenant: str, refs: Iterable[Ref]) -> None:
        """Forget entries by name, and write them nowhere."""
        ids = [ref.id for ref in refs]
        for entry_id in ids:
            self._recent.forget(tenant, entry_id)
        if ids:
            await self._writer.forget(tenant, ids)

    def flushed(self, tenant: str, namespace: str | None, *, epoch: int) -> None:
        """Take note of a namespace's new epoch, or that of all of the tenant's."""
        self._near.flush(tenant, namespace)
        self._lookup.begin_epoch(tenant, namespace, epoch)

    def hears(self, *, hears: bool) -> None:
        """Tell whether invalidations of other replicas are heard; while they are not, nothing is kept near."""
        self._near.hear(hears=hears)

    def clear(self) -> None:
        """Let go of everything: invalidations were missed."""
        self._near.clear()
        self._recent.clear()
