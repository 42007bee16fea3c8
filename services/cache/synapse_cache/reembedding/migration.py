"""Moving the cache from one embedder to another while it serves: every replica follows the plan that all share."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.rebuilding import Rebuilding
from synapse_cache.reembedding.reembedding import Plan, Progress, Space, Stage, View
from synapse_cache.transfer.pace import Pace
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.ports import ExactStore, ReembeddingStore
    from synapse_cache.reembedding.arrangement import Arrangement

_log = logging.getLogger("synapse.cache.migration")
_EVERY_SECONDS = 0.4
_REMOVE_AFTER_SECONDS = 3.0
"""Until every replica has let go of what is removed."""


@dataclass(frozen=True, slots=True)
class MigrationRules:
    """How many entries a second a replica embeds anew, and how long the vectors that do not serve are kept."""

    entries_per_second: float = 50.0
    keep_seconds: float = 7 * 86_400.0


class Migration:
    """Follows the plan for one replica."""

    def __init__(
        self,
        store: ReembeddingStore,
        arrangement: Arrangement,
        exact: ExactStore,
        *,
        rules: MigrationRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._arrangement = arrangement
        self._spaces = arrangement.spaces
        self._rules = rules
        self._clock = clock
        self._replica = secrets.token_hex(8)
        self._lock = asyncio.Lock()
        self._view = View()
        self._heard = 0
        self._rebuilding = Rebuilding(
            exact, Pace(rules.entries_per_second), lapses=self._lapses, heard=lambda: self._heard, clock=clock
        )
        self._removing: set[asyncio.Task[None]] = set()
        self._lapses_told = self._lapses_known = 0
        self._doubts = False
        self._fault = ""
        self._down = False

    @property
    def view(self) -> View:
        """What was heard last."""
        return self._view

    @property
    def shared(self) -> bool:
        """Whether all replicas have one and the same vector store."""
        return self._spaces.shared

    async def run(self) -> None:
        """Follow the plan until cancelled."""
        try:
            while True:
                await asyncio.sleep(_EVERY_SECONDS)
                await self.follow()
        finally:
            self._rebuilding.stop()
            for task in self._removing:
                task.cancel()

    async def follow(self) -> None:
        """Tell and hear once; while the store is down, what was known last holds."""
        try:
            await self._exchange()
        except StoreUnavailable as error:
            telemetry.dependency_failed("reembedding")
            if not self._down:
                _log.warning("the plan of re-embedding cannot be read", extra={"cause": str(error)})
            self._down = True
        else:
            self._down = False

    async def hear(self) -> View:
        """As `follow`, for somebody who wants to know; raises Unavailable."""
        try:
            await self._exchange()
        except StoreUnavailable as error:
            raise Unavailable(f"the plan cannot be read: {error}", reason="STORE_UNAVAILABLE") from error
        return self._view

    async def change(self, plan: Plan) -> None:
        """Set the plan for all replicas, and follow it here at once; raises Unavailable."""
        try:
            changed = await self._store.put(plan, after=self._view.version)
        except StoreUnavailable as error:
            raise Unavailable(f"the plan cannot be changed: {error}", reason="STORE_UNAVAILABLE") from error
        if not changed:
            raise Unavailable("others are changing the plan at the same moment", retry_after_seconds=1)
        _log.info("re-embedding", extra={"stage": plan.stage, "model": plan.new.model})
        await self.hear()

    def remove_at(self, plan: Plan) -> float | None:
        """When the vectors that do not serve are removed; None as long as they are needed."""
        return plan.decided_at + self._rules.keep_seconds if plan.decided_at else None

    async def _exchange(self) -> None:
        async with self._lock:
            known, told = self._view, self._progress()
            view = await self._store.exchange(self._replica, told)
            if view.version < known.version and known.plan is not None:
                _log.warning("the store has lost the plan of re-embedding and is given it again")
                await self._store.restore(known.version, known.plan)
                return
            self._view = view
            self._heard += 1
            if view.plan is not None and view.version != known.version:
                await self._adopt(view.plan, known.plan)
            self._lapses_told = told.lapses
            if view.plan is not None:
                await self._go_on(view.plan)

    def _progress(self) -> Progress:
        plan, beside = self._view.plan, self._spaces.beside
        done, total = self._rebuilding.counted
        return Progress(
            plan_id=plan.id if plan is not None else "",
            mirrors=beside is not None and beside.is_open,
            lapses=self._spaces.lapses,
            built=plan.rounds if plan is not None and self._rebuilding.is_built else -1,
            done=done,
            total=total,
            trouble=self._rebuilding.trouble,
        )

    async def _adopt(self, plan: Plan, before: Plan | None) -> None:
        """Arrange the spaces as the plan says."""
        if before is None or before.id != plan.id:
            self._fault = ""
            self._doubts = True  # whatever this replica wrote before it was restarted may be missing
        if before is None or (before.id, before.rounds) != (plan.id, plan.rounds):
            self._rebuilding.forget()
        if plan.stage is Stage.READY:
            self._lapses_known = self._lapses_told
        await self._arrangement.lay(plan)
        known = before is not None or not self.shared  # what others share was seen to when it was decided
        gone = {plan.idle} if plan.removed and known else set()
        if before is not None and before.id != plan.id:
            gone |= {before.old, before.new}
        kept = {plan.serving, plan.beside}
        for space in gone - kept:
            task = asyncio.create_task(self._remove(space), name="remove-vectors")
            self._removing.add(task)
            task.add_done_callback(self._removing.discard)

    async def _go_on(self, plan: Plan) -> None:
        """Build, where that is this replica's part, and take the steps that nobody needs to be asked for."""
        builds = plan.stage is Stage.BUILDING and self._view.builds(self._replica, shared=self.shared)
        if not builds:
            self._rebuilding.stop()
        elif self._spaces.carrying is not None:
            self._rebuilding.go_on(self._spaces.carrying, failed=self._failed)
        step = self._step(plan)
        if step is not None:
            await self._store.put(step, after=self._view.version)
        if plan.stage is not Stage.READY or step is not None:
            self._doubts = False

    def _step(self, plan: Plan) -> Plan | None:
        """The plan with what is due now, if anything is."""
        if plan.stage is Stage.BUILDING and self._fault:
            return replace(plan, stage=Stage.FAILED, decided_at=self._clock(), error=self._fault)
        if plan.stage is Stage.BUILDING and self._view.is_built(shared=self.shared):
            return replace(plan, stage=Stage.READY)
        if plan.stage is Stage.READY and (self._doubts or self._spaces.lapses > self._lapses_known):
            return replace(plan, stage=Stage.BUILDING, rounds=plan.rounds + 1)
        at = self.remove_at(plan)
        return replace(plan, removed=True) if at is not None and not plan.removed and self._clock() >= at else None

    def _failed(self, why: str) -> None:
        self._fault = why

    def _lapses(self) -> Mapping[str, int] | None:
        """How often those whose entries this replica carries failed to write to both spaces; None where one does not.

        Of a shared store that is every replica, else this one.
        """
        beside = self._spaces.beside
        if beside is None or not beside.is_open:
            return None
        if not self.shared:
            return {self._replica: self._spaces.lapses}
        return self._view.lapses if self._view.mirrored else None

    async def _remove(self, space: Space) -> None:
        """Of a shared store one replica removes it, once all have let go."""
        if self.shared:
            await asyncio.sleep(_REMOVE_AFTER_SECONDS)
            if not self._view.builds(self._replica, shared=True):
                return
        await self._arrangement.remove(space)
