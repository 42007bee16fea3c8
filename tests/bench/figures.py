"""A run's figures, and the figures of repeated runs: medians, with their spread."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from tests.bench.driver import Tally
from tests.bench.machine import Meter


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run, or the median of several; times in ms, CPU in microseconds per request by process.

    `lag_ms` is how long a streamed event was on its way from the upstream to the driver. `others` is how many cores
    somebody else used.
    """

    requests: float = 0
    rps: float = 0
    p50_ms: float = 0
    p99_ms: float = 0
    first_p50_ms: float = 0
    first_p99_ms: float = 0
    lag_p50_ms: float = 0
    lag_p99_ms: float = 0
    events: float = 0
    hit_share: float = 0
    driver: float = 0
    others: float = 0
    wrong: int = 0
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, int] = field(default_factory=dict)

    @property
    def total_cpu_us(self) -> float:
        """CPU per request, all measured processes together."""
        return sum(self.cpu_us.values())

    @property
    def failed(self) -> int:
        """Requests without a right answer."""
        return self.wrong + sum(self.errors.values())


def figures(
    tally: Tally, used: Meter, *, driver_cpu: float = 0.0, known_cpu: float = 0.0, upstream_calls: int = 0
) -> Figures:
    """The figures of one run; `known_cpu` are seconds of processes that are ours and not measured."""
    count = len(tally.latencies)
    per_request = 1e6 / max(1, count)
    others = used.machine - used.total - used.own - known_cpu
    return Figures(
        requests=count,
        rps=count / tally.seconds if tally.seconds else 0.0,
        p50_ms=quantile(tally.latencies, 0.5) * 1e3,
        p99_ms=quantile(tally.latencies, 0.99) * 1e3,
        first_p50_ms=quantile(tally.first_contents, 0.5) * 1e3,
        first_p99_ms=quantile(tally.first_contents, 0.99) * 1e3,
        lag_p50_ms=quantile(tally.lags, 0.5) * 1e3,
        lag_p99_ms=quantile(tally.lags, 0.99) * 1e3,
        events=tally.events / max(1, count),
        hit_share=max(0.0, 1 - upstream_calls / max(1, count)),
        driver=driver_cpu / tally.seconds if tally.seconds else 0.0,
        others=max(0.0, others / used.wall),
        wrong=tally.wrong,
        cpu_us={name: seconds * per_request for name, seconds in used.processes.items()},
        errors=dict(tally.errors),
        tiers=dict(tally.tiers),
    )


def median(runs: Sequence[Figures]) -> Figures:
    """Every figure's median; wrong answers, errors and tiers are added up."""
    summed: dict[str, object] = {"wrong": sum(run.wrong for run in runs)}
    for name in ("errors", "tiers"):
        total: Counter[str] = Counter()
        for run in runs:
            total.update(getattr(run, name))
        summed[name] = dict(total)
    names = {name for run in runs for name in run.cpu_us}
    summed["cpu_us"] = {name: statistics.median(run.cpu_us.get(name, 0.0) for run in runs) for name in sorted(names)}
    plain = [item.name for item in fields(Figures) if item.name not in summed]
    medians = {name: statistics.median(getattr(run, name) for run in runs) for name in plain}
    return Figures(**medians, **summed)  # type: ignore[arg-type]  # by name, from its own fields
