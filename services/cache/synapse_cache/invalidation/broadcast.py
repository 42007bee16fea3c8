"""Hearing of invalidations: what other replicas take back, this one lets go of; and who wants to hear is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.invalidation.trail import Notice, Phase
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Ref
    from synapse_cache.invalidation.holdings import Holdings
    from synapse_cache.invalidation.removal import Removal
    from synapse_cache.invalidation.trail import Trail
    from synapse_cache.ports import Journal
    from synapse_cache.reembedding.spaces import Spaces

_log = logging.getLogger("synapse.cache.broadcast")
_WAIT_SECONDS = 1.0
_RETRY_SECONDS = 0.25
_QUIET_SECONDS = 5.0
_SKEW_SECONDS = 10.0
"""How far the clocks of two replicas may lie apart."""
_BEFORE_START_SECONDS = 60.0
_MOST_SWEEPS = 10_000
_SWEEP_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What another replica's invalidation leaves to be done here. `epoch` is a flush's."""

    tenant: str
    conditions: Conditions
    held: tuple[Ref, ...] = ()
    epoch: int = 0


class Broadcast:
    """Follows the trail for one replica.

    What it hears holds at once, in memory. What takes time, taking written entries and those of a vector store of its
    own away, is done behind that.
    """

    def __init__(
        self,
        trail: Trail,
        holdings: Holdings,
        removal: Removal,
        vectors: Spaces,
        journal: Journal,
        *,
        replica: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trail = trail
        self._holdings = holdings
        self._removal = removal
        self._vectors = vectors
        self._journal = journal
        self._replica = replica
        self._clock = clock
        self._sweeps: asyncio.Queue[_Sweep] = asyncio.Queue(_MOST_SWEEPS)
        self._last = ""
        self._heard_at = 0.0
        self._behind = True
        self._news = asyncio.Event()

    async def catch_up(self, *, seconds: float) -> None:
        """Hear what was told while this replica was away, if the trail answers within `seconds`; else `run` does."""
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(seconds):
                await self._listen()

    async def run(self) -> None:
        """Follow the trail until cancelled."""
        while True:
            try:
                await self._listen()
            except StoreUnavailable as error:
                self._holdings.hears(hears=False)
                telemetry.dependency_failed("broadcast")
                _log.debug("invalidations cannot be heard", extra={"cause": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)

    async def sweep(self) -> None:
        """Do what is left to be done, one after the other, until cancelled."""
        while True:
            await self._swept(await self._sweeps.get())

    async def watch(self, tenant: str | None, *, after: str) -> AsyncGenerator[Notice | None]:
        """Invalidations of a tenant, or of all, as they happen, None for a gap; those after the id `after` first.

        A search is told once it is done, and as soon as it takes long. Raises StoreUnavailable.
        """
        place = after or self._last
        while True:
            news = self._news
            told = await self._trail.read(place, wait_seconds=0)
            if told.gap:
                yield None
            for notice in told.notices:
                if tenant in {None, notice.order.tenant} and _matters(notice):
                    yield notice
            if told.last == place or not told.last:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_QUIET_SECONDS):
                        await news.wait()
            place = told.last

    async def _listen(self) -> None:
        """Take in what the trail tells next: after a start or a gap, all since something was heard last."""
        if self._behind:
            self._heard_at = self._heard_at or await self._start()
            told = await self._trail.since(self._heard_at - _SKEW_SECONDS)
        else:
            told = await self._trail.read(self._last, wait_seconds=_WAIT_SECONDS)
        self._behind = told.gap
        if told.gap:
            _log.warning("invalidations were missed: everything that is held beside the stores goes")
            self._holdings.hears(hears=False)
            self._holdings.clear()
            return
        for notice in told.notices:
            if notice.origin != self._replica:
                await self._hear(notice)
        self._last = told.last
        self._heard_at = self._clock()
        self._holdings.hears(hears=True)
        if told.notices:
            self._news.set()
            self._news = asyncio.Event()

    async def _start(self) -> float:
        """Since when invalidations matter here: since the oldest answer that waits in the journal."""
        since = self._clock() - _BEFORE_START_SECONDS
        with suppress(OSError):
            oldest = await self._journal.pending(limit=1)
            since = min([since, *(entry.created_at for entry in oldest)])
        return since

    async def _hear(self, notice: Notice) -> None:
        order = notice.order
        tenant, conditions = order.tenant, order.conditions
        await self._holdings.recall(tenant, notice.refs)
        if notice.phase is not Phase.ORDERED:
            return
        telemetry.invalidation_heard(max(0.0, self._clock() - order.at))
        if conditions.flushes:
            self._holdings.flushed(tenant, conditions.namespace, epoch=notice.epoch)
            self._leave(_Sweep(tenant, conditions, epoch=notice.epoch))
            return
        until = min(self._clock(), order.at + _SKEW_SECONDS)
        held = await self._holdings.let_go(tenant, conditions, until=until)
        self._leave(_Sweep(tenant, conditions.until(until), tuple(held)))

    def _leave(self, task: _Sweep) -> None:
        if self._sweeps.full():
            _log.error("too many invalidations at once: some leave entries in this replica's own store")
        else:
            self._sweeps.put_nowait(task)

    async def _swept(self, task: _Sweep) -> None:
        """Do one task, however often that takes trying."""
        while True:
            try:
                return await self._sweep_once(task)
            except StoreUnavailable as error:
                _log.debug("an invalidation is not through yet", extra={"cause": str(error)})
            await asyncio.sleep(_SWEEP_RETRY_SECONDS)

    async def _sweep_once(self, task: _Sweep) -> None:
        tenant, conditions, shared = task.tenant, task.conditions, self._vectors.shared
        await self._removal.take(tenant, task.held)
        if task.epoch:
            if not shared:
                await self._vectors.delete_namespace(tenant, conditions.namespace, before_epoch=task.epoch)
        elif not shared:
            async for refs in self._removal.in_vectors(tenant, conditions):
                await self._removal.take(tenant, refs)
        elif conditions.likeness is not None:  # the store shows for a while what was removed
            async for refs in self._removal.in_vectors(tenant, conditions):
                await self._holdings.recall(tenant, refs)


def _matters(notice: Notice) -> bool:
    """Whether caches nearer to callers have something to let go of."""
    if notice.order.conditions.flushes:
        return notice.phase is Phase.ORDERED
    return notice.phase is Phase.LASTING or (notice.phase is Phase.DONE and notice.removed != 0)
