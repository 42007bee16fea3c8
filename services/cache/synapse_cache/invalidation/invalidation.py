"""Taking answers back: by what they are, or a whole namespace at once, and everywhere.

An invalidation is ordered on the trail before anything is removed: every replica lets go of what it holds, and what is
on its way into a store is caught. It is told as done once it is.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from synapse_cache import telemetry
from synapse_cache.invalidation.conditions import Conditions, Likeness
from synapse_cache.invalidation.removal import Haul
from synapse_cache.invalidation.trail import Notice, Order, Phase
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.holdings import Holdings
    from synapse_cache.invalidation.removal import Removal
    from synapse_cache.invalidation.trail import Trail
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Entry, Place

T = TypeVar("T")
_log = logging.getLogger("synapse.cache.invalidation")
_ROOM_SECONDS = 2.0
_WALKS_AT_ONCE = 4
_ITSELF = "synapse"


@dataclass(frozen=True, slots=True)
class Carried:
    """What an invalidation did, or would do: how many entries, -1 when unknown, and the ids of some.

    `notice_id` is its place in the trail, empty when nothing was done.
    """

    matched: int
    removed: int
    sample: tuple[str, ...] = ()
    notice_id: str = ""


class Invalidation:
    """Removes entries from every store and every replica.

    Raises Unavailable when a store or the trail cannot be asked: an invalidation that was not carried out must not look
    done. It may be asked for again.
    """

    def __init__(
        self,
        stores: Stores,
        holdings: Holdings,
        removal: Removal,
        trail: Trail,
        *,
        replica: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._holdings = holdings
        self._trail = trail
        self._replica = replica
        self._clock = clock
        self._removal = removal
        self._turns = asyncio.Semaphore(_WALKS_AT_ONCE)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def get(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id, from whichever store has it."""
        recent = self._holdings.find(tenant, entry_id)
        if recent is not None:
            return recent
        try:
            found = await self._stores.exact.find(tenant, entry_id)
            return found or await self._stores.vectors.fetch(tenant, entry_id)
        except StoreUnavailable as error:
            raise _unavailable(error) from error

    async def by_id(self, tenant: str, entry_id: str, *, actor: str = _ITSELF, reason: str = "") -> int:
        """Remove one entry; returns 1, or 0 when there was none."""
        order = self.order(tenant, Conditions(id=entry_id), actor=actor, reason=reason)
        return (await self.carry_out(order)).removed

    async def flush(self, place: Place, *, actor: str = _ITSELF, reason: str = "") -> int:
        """Kill a whole namespace at once; returns how many entries the vector store knew of, -1 when unknown."""
        order = self.order(place.tenant, Conditions(namespace=place.namespace), actor=actor, reason=reason)
        return (await self.carry_out(order)).removed

    async def like(self, text: str, *, min_similarity: float) -> Likeness:
        """Likeness to a text; InvalidArgument for one that is longer than the embedder sees."""
        try:
            embedding = await self._stores.embedder.embed(text)
        except StoreUnavailable as error:
            raise _unavailable(error) from error
        if embedding.truncated:
            raise InvalidArgument("similar_to is longer than the embedder sees", metadata={"field": "similar_to"})
        return Likeness(text, embedding, min_similarity)

    def now(self) -> float:
        """The moment, in seconds since the epoch, that ages are counted from."""
        return self._clock()

    def order(
        self, tenant: str, conditions: Conditions, *, actor: str, reason: str = "", at: float | None = None
    ) -> Order:
        """An invalidation to be carried out, asked for `at` a moment or now."""
        return Order(secrets.token_hex(8), self.now() if at is None else at, tenant, actor, conditions, reason)

    async def preview(self, order: Order) -> Carried:
        """What carrying `order` out would remove."""
        try:
            haul = await self._removal.count(order.tenant, order.conditions)
        except StoreUnavailable as error:
            raise _unavailable(error) from error
        return Carried(haul.matched, 0, tuple(haul.sample))

    async def carry_out(self, order: Order) -> Carried:
        """Remove what `order` is about, everywhere; what was begun goes on when the caller leaves."""
        telemetry.invalidated("flush" if order.conditions.flushes else "search")
        try:
            return await asyncio.shield(self._begun(self._carried(order)))
        except StoreUnavailable as error:
            raise _unavailable(error) from error

    async def done(self, tenant: str | None, *, before: str, limit: int) -> list[Notice]:
        """The audit trail: what was carried out, of one tenant or of all, newest first, before the id `before`."""
        try:
            return await self._trail.done(tenant, before=before, limit=limit)
        except StoreUnavailable as error:
            raise _unavailable(error) from error

    async def drain(self, *, seconds: float) -> None:
        """Wait for what was begun, at most `seconds`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _begun(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marked as seen: who asked may have left

    async def _carried(self, order: Order) -> Carried:
        try:
            if order.conditions.flushes:
                return await self._flush(order)
            if order.conditions.id or order.conditions.key:
                return await self._remove(order)
            async with self._turns:
                return await self._remove(order)
        except StoreUnavailable as error:
            _log.warning("invalidation failed", extra={"tenant": order.tenant, "uid": order.uid, "cause": str(error)})
            raise

    async def _remove(self, order: Order) -> Carried:
        tenant, conditions = order.tenant, order.conditions
        led_to = await self._removal.led_to(tenant, conditions) if conditions.key else []
        await self._tell(order, Phase.ORDERED, Haul(few=led_to))
        held = await self._holdings.let_go(tenant, conditions, until=self._clock())
        await self._holdings.recall(tenant, led_to)

        async def lasting() -> None:
            await self._tell(order, Phase.LASTING, Haul(), removed=-1)

        haul = await self._removal.run(tenant, conditions, [*led_to, *held], lasting=lasting)
        return await self._told_done(order, haul)

    async def _flush(self, order: Order) -> Carried:
        tenant, namespace = order.tenant, order.conditions.namespace
        epoch = await self._stores.exact.flush(tenant, namespace)
        self._holdings.flushed(tenant, namespace, epoch=epoch)
        await self._tell(order, Phase.ORDERED, Haul(), epoch=epoch, removed=-1)
        removed = await self._room_given(tenant, namespace, epoch)
        notice_id = await self._tell(order, Phase.DONE, Haul(), epoch=epoch, removed=removed)
        _log.info("flushed", extra={"tenant": tenant, "namespace": namespace, "epoch": epoch, "removed": removed})
        return Carried(removed, removed, (), notice_id)

    async def _room_given(self, tenant: str, namespace: str | None, epoch: int) -> int:
        """Remove what the new epoch hides already; how many entries that were, -1 when unknown or not soon known."""

        async def give() -> int:
            try:
                return await self._stores.vectors.delete_namespace(tenant, namespace, before_epoch=epoch)
            except StoreUnavailable as error:
                _log.warning("flushed entries stay for now", extra={"cause": str(error)})
                return -1

        task = self._begun(give())
        done, _ = await asyncio.wait({task}, timeout=_ROOM_SECONDS)
        return task.result() if done else -1

    async def _told_done(self, order: Order, haul: Haul) -> Carried:
        notice_id = await self._tell(order, Phase.DONE, haul, removed=haul.matched)
        _log.info("invalidated", extra={"tenant": order.tenant, "uid": order.uid, "removed": haul.matched})
        telemetry.removed(haul.matched)
        return Carried(haul.matched, haul.matched, tuple(haul.sample), notice_id)

    async def _tell(self, order: Order, phase: Phase, haul: Haul, *, epoch: int = 0, removed: int = 0) -> str:
        return await self._trail.append(Notice(phase, order, self._replica, epoch, removed, haul.refs))


def _unavailable(error: StoreUnavailable) -> Unavailable:
    return Unavailable(f"a store cannot be asked: {error}", reason="STORE_UNAVAILABLE", retry_after_seconds=1)
