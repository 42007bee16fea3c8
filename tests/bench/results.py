"""Everything that one benchmark measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench import flows
from tests.bench.faults import Outage
from tests.bench.figures import Figures, median
from tests.bench.flows import Flow
from tests.bench.memory import Idle
from tests.bench.plan import added


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The rounds of every step, the outages, start and memory; `bare` is the mesh without a model."""

    when: str
    machine: Mapping[str, str]
    seconds: float
    rounds: Mapping[str, Sequence[Figures]] = field(default_factory=dict)
    flows: Mapping[str, Sequence[Flow]] = field(default_factory=dict)
    outages: Sequence[Outage] = ()
    bare: Idle | None = None
    full: Idle | None = None

    def median(self, step: str) -> Figures | None:
        """The medians of a step."""
        runs = self.rounds.get(step)
        return median(runs) if runs else None

    def flow(self, step: str) -> Flow | None:
        """The medians of a step of streams."""
        runs = self.flows.get(step)
        return flows.median(runs) if runs else None

    @property
    def runs(self) -> Sequence[Figures | Flow]:
        """Every run of every step."""
        measured = [run for step in self.rounds.values() for run in step]
        return [*measured, *(run for step in self.flows.values() for run in step)]

    def added(self, step: str, direct: str) -> Figures | None:
        """The medians of what the mesh added to the direct run of each round."""
        if not (self.rounds.get(step) and self.rounds.get(direct)):
            return None
        pairs = zip(self.rounds[step], self.rounds[direct], strict=True)
        return median([added(through, beside) for through, beside in pairs])

    def ratio(self, step: str, floor: str) -> float | None:
        """The median over the rounds of the CPU per request, ours over the floor's."""
        if not (self.rounds.get(step) and self.rounds.get(floor)):
            return None
        pairs = zip(self.rounds[step], self.rounds[floor], strict=True)
        return statistics.median(ours.total_cpu_us / beside.total_cpu_us for ours, beside in pairs)
