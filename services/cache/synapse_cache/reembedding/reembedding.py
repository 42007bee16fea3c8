"""The way from one vector space to another: where it stands, and what replicas tell each other of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Stage(StrEnum):
    """Where a re-embedding stands."""

    BUILDING = "building"
    """Entries are embedded with the new model; the old vectors serve."""
    READY = "ready"
    """All are, and new entries are as they come; the old vectors serve."""
    SWITCHED = "switched"
    """The new vectors serve."""
    ROLLED_BACK = "rolled_back"
    """The old vectors serve again, or still."""
    FAILED = "failed"
    """It ended by itself; the old vectors serve."""


@dataclass(frozen=True, slots=True)
class Space:
    """A model by its id, and its vector space."""

    model: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One re-embedding. Times are seconds since the epoch; `decided_at` is that of the switch or of giving it up.

    `rounds` counts how often building began anew, since something may have been missed. `removed` says that the vectors
    that do not serve are gone.
    """

    id: str
    stage: Stage
    old: Space
    new: Space
    started_at: float
    rounds: int = 0
    decided_at: float = 0.0
    removed: bool = False
    error: str = ""

    @property
    def serving(self) -> Space:
        """The space that requests are answered from."""
        return self.new if self.stage is Stage.SWITCHED else self.old

    @property
    def beside(self) -> Space | None:
        """The space that is kept or built beside it, and written to as well."""
        if self.removed or self.stage is Stage.FAILED:
            return None
        return self.idle

    @property
    def idle(self) -> Space:
        """The space that requests are not answered from, whether it is still kept or not."""
        return self.old if self.stage is Stage.SWITCHED else self.new

    @property
    def is_decided(self) -> bool:
        """Whether it was switched, given up or failed."""
        return self.stage not in {Stage.BUILDING, Stage.READY}


@dataclass(frozen=True, slots=True)
class Progress:
    """What one replica tells of a plan, of the empty one where it knows none.

    `mirrors` says that it writes new entries to both spaces, `lapses` how often it failed to. `built` is the plan's
    `rounds` of which a walk of its own left nothing missing, -1 for none; `done` and `total` count entries, -1 for an
    unknown total.
    """

    plan_id: str
    mirrors: bool = False
    lapses: int = 0
    built: int = -1
    done: int = 0
    total: int = -1
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What all replicas know: the plan and its version, 0 for none ever, and what each living one tells, by name."""

    version: int = 0
    plan: Plan | None = None
    replicas: Mapping[str, Progress] = field(default_factory=dict)

    @property
    def telling(self) -> dict[str, Progress]:
        """What is told of this very plan."""
        plan_id = self.plan.id if self.plan is not None else ""
        return {name: progress for name, progress in self.replicas.items() if progress.plan_id == plan_id}

    @property
    def mirrored(self) -> bool:
        """Whether every living replica writes to both spaces."""
        return (
            bool(self.replicas)
            and all(progress.mirrors for progress in self.telling.values())
            and self.telling.keys() == self.replicas.keys()
        )

    @property
    def lapses(self) -> dict[str, int]:
        """How often each replica failed to write to both; equal before and after a walk that missed nothing."""
        return {name: progress.lapses for name, progress in self.telling.items()}

    def builds(self, replica: str, *, shared: bool) -> bool:
        """Whether that replica walks: of a shared store one does, else each its own."""
        return not shared or replica == min(self.replicas, default=replica)

    def is_built(self, *, shared: bool) -> bool:
        """Whether nothing is missing any more."""
        rounds = -1 if self.plan is None else self.plan.rounds
        told = [progress.built == rounds for progress in self.telling.values()]
        return self.mirrored and (any(told) if shared else all(told))

    def counted(self, *, shared: bool) -> tuple[int, int]:
        """How many entries are done, and of how many, -1 where that is not known."""
        told = [one for one in self.telling.values() if one.total >= 0]
        if not told:
            return 0, -1
        if shared:
            best = max(told, key=lambda one: (one.built, one.done))
            return best.done, best.total
        return sum(one.done for one in told), sum(one.total for one in told)

    @property
    def trouble(self) -> str:
        """What a replica waits for, if any does."""
        return next((one.trouble for _, one in sorted(self.telling.items()) if one.trouble), "")
