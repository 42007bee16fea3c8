"""Carrying entries from one vector space into another: by one, as they are stored, or all of them in a walk."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.invalidation.conditions import Conditions
from synapse_cache.invalidation.epochs import Epochs
from synapse_cache.ports import StoreUnavailable
from synapse_cache.transfer.patience import patiently

if TYPE_CHECKING:
    from synapse_cache.model import Embedding, Entry
    from synapse_cache.ports import ExactStore
    from synapse_cache.transfer.pace import Pace
    from synapse_cache.vector_space import VectorSpace

_LEG = 64
_AT_ONCE = 4
_TIMEOUT_SECONDS = 10.0
_ANYTHING = Conditions()


class Carrying:
    """From `source` into `target`.

    An entry that is removed meanwhile is removed from the source first, then from the target; so what was carried is
    looked for in the source once more, and what is gone there goes from the target. Nothing removed comes back.
    """

    def __init__(self, source: VectorSpace, target: VectorSpace) -> None:
        self.source = source
        self.target = target

    async def carry(self, entries: Sequence[Entry]) -> None:
        """Carry entries that are in the source; raises StoreUnavailable."""
        entries = [entry for entry in entries if entry.prompt is not None]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS * max(1, len(entries))):
                await self._carry(entries)
        except TimeoutError as error:
            raise StoreUnavailable("the other vectors take too long") from error

    async def _carry(self, entries: Sequence[Entry]) -> None:
        rows: list[tuple[Entry, Embedding]] = []
        for start in range(0, len(entries), _AT_ONCE):
            some = entries[start : start + _AT_ONCE]
            embeddings = await asyncio.gather(*(self.target.embed(entry.prompt or "") for entry in some))
            # A prompt longer than the new model sees is found by its exact key only.
            rows += [(entry, one) for entry, one in zip(some, embeddings, strict=True) if not one.truncated]
        if rows:
            await self.target.insert(rows)
            await self._take_back([entry for entry, _ in rows])
        telemetry.reembedded(len(entries))

    async def _take_back(self, entries: Sequence[Entry]) -> None:
        for tenant, ids in _by_tenant(entries).items():
            gone = ids - await self.source.present(tenant, sorted(ids))
            if gone:
                await self.target.delete(tenant, sorted(gone))


class Walk:
    """One walk through all entries of the source that carries those that the target lacks."""

    def __init__(
        self, carrying: Carrying, exact: ExactStore, pace: Pace, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._carrying = carrying
        self._pace = pace
        self._clock = clock
        self._epochs = Epochs(exact)
        self.done = 0
        self.total = -1

    async def run(self) -> None:
        """Walk to the end; raises StoreUnavailable when a store fails three times in a row."""
        source, after = self._carrying.source, ""
        self.total = await patiently(source.count)
        while True:
            leg = await patiently(
                lambda after=after: source.walk(None, _ANYTHING, now=self._clock(), limit=_LEG, after=after)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            )
            await self._leg([entry for entry, _ in leg.items])
            if not leg.after:
                break
            after = leg.after
        self.total = self.done

    async def _leg(self, entries: Sequence[Entry]) -> None:
        target = self._carrying.target
        missing: list[Entry] = []
        for tenant, ids in _by_tenant(entries).items():
            known = await patiently(lambda tenant=tenant, ids=ids: target.present(tenant, sorted(ids)))  # type: ignore[misc]  # likewise
            missing += [entry for entry in entries if entry.tenant == tenant and entry.id not in known]
        live = [entry for entry in missing if await self._epochs.hold(entry)]
        self.done += len(entries) - len(live)
        for start in range(0, len(live), _AT_ONCE):
            some = live[start : start + _AT_ONCE]
            for _ in some:
                await self._pace.turn()
            await patiently(lambda some=some: self._carrying.carry(some))  # type: ignore[misc]  # likewise
            self.done += len(some)


def _by_tenant(entries: Sequence[Entry]) -> dict[str, set[str]]:
    """The ids of entries, by tenant."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        found[entry.tenant].add(entry.id)
    return found
