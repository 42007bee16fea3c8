"""The trail of invalidations: what was asked for and done, heard by every replica and kept for an audit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Conditions, Ref


class Phase(StrEnum):
    """How far an invalidation is."""

    ORDERED = "ordered"
    """It begins: every replica lets go of what it holds. A flush is in force with this."""
    LASTING = "lasting"
    """It takes long: caches nearer to the callers had better let go of everything it may concern."""
    DONE = "done"
    """It was carried out; `removed` and `refs` are known."""


@dataclass(frozen=True, slots=True)
class Order:
    """An invalidation as it was asked for. `uid` is its own; `at` is in seconds since the epoch."""

    uid: str
    at: float
    tenant: str
    actor: str
    conditions: Conditions
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the trail tells of an order. `origin` is the replica that says so, `id` the place in the trail.

    `epoch` is the one that a flush began; `removed` is -1 when unknown; `refs` are what went, where that is few. The
    vector of a likeness travels with ORDERED only.
    """

    phase: Phase
    order: Order
    origin: str
    epoch: int = 0
    removed: int = 0
    refs: tuple[Ref, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """News of the trail, oldest first: `last` is where to go on, `gap` that some after the place asked for are lost."""

    notices: tuple[Notice, ...]
    last: str
    gap: bool = False


class Trail(Protocol):
    """The last ten thousand invalidations or so. Ids grow; every method raises StoreUnavailable."""

    async def append(self, notice: Notice) -> str:
        """Add `notice` for every replica to hear; returns its id."""

    async def read(self, after: str, *, wait_seconds: float) -> Told:
        """What came after the id `after`, of all there is when empty; waits that long for something to come.

        After a gap nothing is told but the gap, and `last` is the newest id.
        """

    async def since(self, at: float) -> Told:
        """What came since a moment in seconds since the epoch by the trail's own clock, without waiting."""

    async def done(self, tenant: str | None, *, before: str, limit: int) -> list[Notice]:
        """Invalidations carried out, of one tenant or of all, newest first, at most `limit`, before the id `before`.

        From the newest when `before` is empty.
        """

    async def close(self) -> None:
        """Let go of every connection."""
