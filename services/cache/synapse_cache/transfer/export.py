"""Sending the live entries of a tenant out of every store: each once, a page at a time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache.invalidation.epochs import Epochs
from synapse_cache.model import Embedding
from synapse_cache.ports import StoreUnavailable
from synapse_cache.transfer.patience import patiently
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Leg, Page, Ref
    from synapse_cache.invalidation.recalls import Recalls
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Entry
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.thresholds.thresholds import ThresholdSource

_PAGE = 64
_REMEMBERED = 65_536
"""Redis may show an entry again as its tables grow; so many ids are kept to know it by."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry, and its question's vector where a store had it at hand."""

    entry: Entry
    embedding: Embedding | None = None


class Export:
    """Walks through the stores for one export after another."""

    def __init__(
        self,
        stores: Stores,
        recent: RecentWrites,
        recalls: Recalls,
        thresholds: ThresholdSource,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._recent = recent
        self._recalls = recalls
        self._thresholds = thresholds
        self._clock = clock

    async def entries(self, tenant: str, conditions: Conditions) -> AsyncGenerator[Exported, None]:
        """Every entry that is live and meets `conditions` from the beginning to the end; likeness is not asked for.

        Raises Unavailable when a store fails three times in a row.
        """
        epochs = Epochs(self._stores.exact)
        try:
            async with aclosing(self._found(tenant, conditions)) as found:
                async for one in found:
                    if self._is_live(one) and await epochs.hold(one.entry):
                        yield one
        except StoreUnavailable as error:
            message = f"the export ends here: a store cannot be asked: {error}"
            raise Unavailable(message, reason="STORE_UNAVAILABLE", retry_after_seconds=1) from error

    async def _found(self, tenant: str, conditions: Conditions) -> AsyncGenerator[Exported, None]:
        """In the order in which entries are written, so that none moves behind the walk."""
        held = {entry.id: entry for entry in self._recent.select(tenant, conditions)}
        for entry in held.values():
            yield Exported(entry, self._recent.embedding_of(entry))
        began = self._clock()
        async for fingerprint, leg in self._legs(tenant, conditions):
            for entry, vector in leg.items:
                if entry.id not in held:
                    yield Exported(entry, Embedding(vector, fingerprint))
        shown: OrderedDict[str, None] = OrderedDict.fromkeys(held)
        async for page in self._pages(tenant, conditions):
            fresh = [ref for ref in page.refs if ref.id not in shown]
            shown.update(dict.fromkeys(ref.id for ref in fresh))
            while len(shown) > _REMEMBERED:
                shown.popitem(last=False)
            for entry in await self._beyond_vectors(tenant, fresh, began):
                yield Exported(entry)

    async def _legs(self, tenant: str, conditions: Conditions) -> AsyncIterator[tuple[str, Leg]]:
        vectors, after = self._stores.vectors, ""
        while True:
            now, fingerprint = self._clock(), vectors.fingerprint
            leg = await patiently(
                lambda now=now, after=after: vectors.walk(tenant, conditions, now=now, limit=_PAGE, after=after)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
            yield fingerprint, leg
            if not leg.after:
                return
            after = leg.after

    async def _pages(self, tenant: str, conditions: Conditions) -> AsyncIterator[Page]:
        after = ""
        while True:
            page = await patiently(
                lambda after=after: self._stores.exact.select(tenant, conditions, limit=_PAGE, after=after)  # type: ignore[misc]  # likewise
            )
            yield page
            if not page.after:
                return
            after = page.after

    async def _beyond_vectors(self, tenant: str, refs: Sequence[Ref], began: float) -> list[Entry]:
        """Those of the exact store's entries that the vector store's walk, begun then, did not show."""
        if not refs:
            return []
        entries = await patiently(lambda: self._stores.exact.read(tenant, refs))
        present = await patiently(lambda: self._stores.vectors.present(tenant, [entry.id for entry in entries]))
        return [entry for entry in entries if entry.id not in present or entry.semantic_expires_at <= began]

    def _is_live(self, one: Exported) -> bool:
        now = self._clock()
        entry = self._thresholds.of(one.entry.tenant).bounded(one.entry)
        by_meaning = entry.prompt is not None and entry.semantic_expires_at > now
        return (entry.expires_at > now or by_meaning) and not self._recalls.cover(entry, one.embedding)
