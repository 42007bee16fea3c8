"""Taking entries out of every store, page by page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from synapse_cache.invalidation.conditions import Page, ref_of
from synapse_cache.model import DEFAULT_NAMESPACE, Place
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Likeness, Ref
    from synapse_cache.invalidation.holdings import Holdings
    from synapse_cache.lookup import Stores

P = ParamSpec("P")
T = TypeVar("T")
_log = logging.getLogger("synapse.cache.invalidation")
_PAGE = 256
_SAMPLE = 20
_FEW = 100
_TRIES = 3
_RETRY_SECONDS = 0.2
_LASTING_SECONDS = 0.5
_TOLD_EVERY_SECONDS = 5.0
_NO_KEY = "0" * 64


@dataclass(slots=True)
class Haul:
    """What a walk found: how many entries, some of their ids, and all of them where they are few."""

    matched: int = 0
    sample: list[str] = field(default_factory=list)
    few: list[Ref] = field(default_factory=list)

    def add(self, refs: Sequence[Ref]) -> None:
        """Take in entries that were not there yet."""
        self.matched += len(refs)
        self.sample += [ref.id for ref in refs[: _SAMPLE - len(self.sample)]]
        self.few += refs[: _FEW + 1 - len(self.few)]

    @property
    def refs(self) -> tuple[Ref, ...]:
        """All that was found where that is few; nothing otherwise."""
        return tuple(self.few) if len(self.few) <= _FEW else ()


class Removal:
    """Walks through the stores for one invalidation after another.

    Every method raises StoreUnavailable when a store fails three times in a row; what was removed before stays removed.
    """

    def __init__(self, stores: Stores, holdings: Holdings, *, clock: Callable[[], float] = time.time) -> None:
        self._stores = stores
        self._holdings = holdings
        self._clock = clock

    async def count(self, tenant: str, conditions: Conditions) -> Haul:
        """What meets `conditions`, left as it is."""
        held = self._holdings.select(tenant, conditions)
        return await self._walk(tenant, conditions, held, remove=False)

    async def run(
        self,
        tenant: str,
        conditions: Conditions,
        held: Sequence[Ref],
        *,
        lasting: Callable[[], Awaitable[None]],
    ) -> Haul:
        """Remove what meets `conditions`, and `held`; `lasting` is called once when that takes more than a moment."""
        return await self._walk(tenant, conditions, held, remove=True, lasting=lasting)

    async def led_to(self, tenant: str, conditions: Conditions) -> list[Ref]:
        """The entry that the exact key of `conditions` leads to, perhaps as the key of another wording."""
        return list(await self._named(tenant, conditions))

    async def take(self, tenant: str, refs: Sequence[Ref]) -> None:
        """Remove entries by name from everywhere; the marks that this leaves keep late writes out for a minute."""
        if not refs:
            return
        await self._holdings.forget(tenant, refs)
        await _patiently(self._stores.exact.remove, tenant, refs)
        await _patiently(self._stores.vectors.delete, tenant, [ref.id for ref in refs])

    async def in_vectors(self, tenant: str, conditions: Conditions) -> AsyncIterator[Sequence[Ref]]:
        """Pages of what meets `conditions` in the vector store that this replica searches."""
        vectors, now = self._stores.vectors, self._clock()

        async def page(after: str) -> Page:
            return await vectors.select(tenant, conditions, now=now, limit=_PAGE, after=after)

        async for refs in _walked(page):
            yield refs

    async def _walk(
        self,
        tenant: str,
        conditions: Conditions,
        held: Sequence[Ref],
        *,
        remove: bool,
        lasting: Callable[[], Awaitable[None]] | None = None,
    ) -> Haul:
        haul, seen, epochs = Haul(), set[str](), dict[str, int]()
        started = told_at = time.monotonic()
        async for page in self._pages(tenant, conditions, held):
            fresh = list({ref.id: ref for ref in page if ref.id not in seen}.values())
            seen.update(ref.id for ref in fresh)
            haul.add([ref for ref in fresh if await self._is_alive(tenant, ref, epochs)])
            if remove:
                await self.take(tenant, fresh)
            now = time.monotonic()
            if lasting is not None and now - started > _LASTING_SECONDS:
                await lasting()
                lasting = None
            if now - told_at > _TOLD_EVERY_SECONDS:
                told_at = now
                _log.info("invalidation goes on", extra={"tenant": tenant, "matched": haul.matched, "remove": remove})
        return haul

    async def _pages(self, tenant: str, conditions: Conditions, held: Sequence[Ref]) -> AsyncIterator[Sequence[Ref]]:
        """Everything that is meant: from here, from the vector store, from the exact store; some of it twice.

        In this order: what waits here is forgotten first, so that nothing can move behind the walk.
        """
        yield held
        async for page in self.in_vectors(tenant, conditions):
            yield page
        if conditions.id or conditions.key:
            yield await self._named(tenant, conditions)
            return
        async for page in self._in_exact(tenant, conditions):
            likeness = conditions.likeness
            yield page if likeness is None else await self._alike(tenant, page, likeness)

    async def _in_exact(self, tenant: str, conditions: Conditions) -> AsyncIterator[Sequence[Ref]]:
        async def page(after: str) -> Page:
            return await self._stores.exact.select(tenant, conditions, limit=_PAGE, after=after)

        async for refs in _walked(page):
            yield refs

    async def _named(self, tenant: str, conditions: Conditions) -> Sequence[Ref]:
        """The entry of an id, or the one that a key leads to, in the exact store."""
        exact = self._stores.exact
        if conditions.id:
            entry = await _patiently(exact.find, tenant, conditions.id)
        else:
            place = Place(tenant, conditions.namespace or DEFAULT_NAMESPACE)
            entry, _ = await _patiently(exact.get, place, conditions.key, stale=True)
            conditions = replace(conditions, key="")  # it may be the key of another wording
        if entry is None or not conditions.covers_plainly(entry):
            return ()
        likeness = conditions.likeness
        return (ref_of(entry),) if likeness is None else await self._alike(tenant, (ref_of(entry),), likeness)

    async def _alike(self, tenant: str, refs: Sequence[Ref], likeness: Likeness) -> Sequence[Ref]:
        """Those whose prompts are like a text although the vector store, which was walked through, lacks them."""
        known = await _patiently(self._stores.vectors.present, tenant, [ref.id for ref in refs])
        found = []
        for ref in refs:
            if ref.id in known:
                continue
            entry = await _patiently(self._stores.exact.find, tenant, ref.id)
            if entry is None or entry.prompt is None:
                continue
            if likeness.holds(await _patiently(self._stores.embedder.embed, entry.prompt)):
                found.append(ref)
        return found

    async def _is_alive(self, tenant: str, ref: Ref, epochs: dict[str, int]) -> bool:
        """Whether it was not flushed already."""
        if ref.namespace not in epochs:
            place = Place(tenant, ref.namespace)
            epochs[ref.namespace] = (await _patiently(self._stores.exact.get, place, _NO_KEY))[1]
        return ref.epoch == epochs[ref.namespace]


async def _walked(ask: Callable[[str], Awaitable[Page]]) -> AsyncIterator[Sequence[Ref]]:
    """The pages of a store, to the end."""
    after = ""
    while True:
        page = await _patiently(ask, after)
        yield page.refs
        if not page.after:
            return
        after = page.after


async def _patiently(work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `work`, tried three times: a walk of many exchanges should not end with one that failed."""
    for _ in range(_TRIES - 1):
        try:
            return await work(*args, **kwargs)
        except StoreUnavailable:
            await asyncio.sleep(_RETRY_SECONDS)
    return await work(*args, **kwargs)
