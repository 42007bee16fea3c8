"""What an operator does about the embedder: begin to build, look, switch, go back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.reembedding import Plan, Stage
from synapse_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable

if TYPE_CHECKING:
    from synapse_cache.ports import Embedders
    from synapse_cache.reembedding.migration import Migration
    from synapse_cache.reembedding.reembedding import Space
    from synapse_cache.reembedding.spaces import Spaces

_WORD = "Are you there?"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a re-embedding stands: its plan, how many entries are done and of how many, and what is waited for."""

    plan: Plan
    done: int
    total: int
    trouble: str
    remove_at: float | None


class EmbedderSwitch:
    """Changes the plan of all replicas; every method raises Unavailable when the store does not answer."""

    def __init__(
        self,
        migration: Migration,
        spaces: Spaces,
        embedders: Embedders,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._migration = migration
        self._spaces = spaces
        self._embedders = embedders
        self._clock = clock

    async def standing(self) -> Standing | None:
        """Where it stands; None when none was ever begun."""
        view = await self._migration.hear()
        plan = view.plan
        if plan is None:
            return None
        done, total = view.counted(shared=self._migration.shared)
        trouble = plan.error or (view.trouble if plan.stage is Stage.BUILDING else "")
        return Standing(plan, done, total, trouble, self._migration.remove_at(plan))

    async def start(self, model: str) -> None:
        """Begin to build the vectors of a model; to ask again changes nothing.

        Raises InvalidArgument for a model that is not served, FailedPrecondition for what is in the way.
        """
        view = await self._migration.hear()
        old, new = await self._ends(model)
        plan = view.plan
        if plan is not None and not plan.is_decided:
            if plan.new == new:
                return
            message = f"the vectors of {plan.new.model} are being built: roll that back first"
            raise FailedPrecondition(message, reason="REEMBEDDING_UNDER_WAY")
        if new.fingerprint == old.fingerprint:
            raise FailedPrecondition(f"the vectors of {new.model} serve already", reason="ALREADY_SERVING")
        await self._migration.change(Plan(secrets.token_hex(8), Stage.BUILDING, old, new, self._clock()))

    async def switch(self) -> None:
        """Serve from the new vectors; raises FailedPrecondition unless they are ready."""
        plan = await self._planned()
        if plan.stage is Stage.SWITCHED:
            return
        if plan.stage is not Stage.READY:
            message = f"the vectors of {plan.new.model} are not ready: {plan.stage}"
            raise FailedPrecondition(message, reason="REEMBEDDING_NOT_READY")
        await self._require_answer(plan.new)
        await self._migration.change(replace(plan, stage=Stage.SWITCHED, decided_at=self._clock()))

    async def roll_back(self) -> None:
        """Serve from the old vectors again, or give up what is being built."""
        plan = await self._planned()
        if plan.stage in {Stage.ROLLED_BACK, Stage.FAILED}:
            return
        if plan.removed:
            raise FailedPrecondition("the old vectors were removed: there is no way back", reason="SPACE_REMOVED")
        if plan.stage is Stage.SWITCHED:
            await self._require_answer(plan.old)
        await self._migration.change(replace(plan, stage=Stage.ROLLED_BACK, decided_at=self._clock()))

    async def _planned(self) -> Plan:
        plan = (await self._migration.hear()).plan
        if plan is None:
            raise FailedPrecondition("no re-embedding was begun", reason="REEMBEDDING_MISSING")
        return plan

    async def _ends(self, model: str) -> tuple[Space, Space]:
        """The space that serves and that of `model`."""
        try:
            served = await self._embedders.served()
        except StoreUnavailable as error:
            raise Unavailable(f"the embedder does not answer: {error}", reason="EMBEDDER_UNAVAILABLE") from error
        new = next((space for space, aliases in served if model in {space.model, *aliases}), None)
        if new is None:
            known = ", ".join(space.model for space, _ in served)
            raise InvalidArgument(f"no model {model!r} is served; there are: {known}", metadata={"field": "model"})
        old = next((space for space, _ in served if space.fingerprint == self._spaces.fingerprint), None)
        if old is None:
            message = "the vectors that serve are not open, or of no model that the embedder lists"
            raise FailedPrecondition(message, reason="SPACE_UNKNOWN")
        return old, new

    async def _require_answer(self, space: Space) -> None:
        """Raise Unavailable unless the model answers with vectors of that space."""
        try:
            embedding = await self._embedders.of(space.model).embed(_WORD)
        except StoreUnavailable as error:
            raise Unavailable(f"{space.model} does not answer: {error}", reason="EMBEDDER_UNAVAILABLE") from error
        if embedding.fingerprint != space.fingerprint:
            message = f"the vectors of {space.model} are of another space than those kept of it"
            raise FailedPrecondition(message, reason="SPACE_UNKNOWN")
