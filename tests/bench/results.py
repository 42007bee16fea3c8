"""Everything that one benchmark measured, and what it comes to beside the targets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.faults import Outage
from tests.bench.figures import Figures, median
from tests.bench.memory import Idle
from tests.bench.plan import added
from tests.bench.upstream import EVENT_SECONDS

BUDGETS_MS = {"valkey": 50.0, "embed": 250.0}
"""How long a request waits for each dependency, as configured by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The rounds of every step, the outages, start and memory; `bare` is the mesh without a model."""

    when: str
    machine: Mapping[str, str]
    seconds: float
    rounds: Mapping[str, Sequence[Figures]] = field(default_factory=dict)
    outages: Sequence[Outage] = ()
    bare: Idle | None = None
    full: Idle | None = None

    def median(self, step: str) -> Figures | None:
        """The medians of a step."""
        runs = self.rounds.get(step)
        return median(runs) if runs else None

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


@dataclass(frozen=True, slots=True)
class Row:
    """A target: what was measured, in the unit of the target, and beside which floor."""

    figure: str
    target: str
    limit: float
    measured: float
    text: str
    floor: str = ""

    @property
    def verdict(self) -> str:
        """PASS or MISS."""
        return "PASS" if self.measured <= self.limit else "MISS"


def rows(results: Results) -> list[Row]:
    """The targets that this run measured."""
    makers: list[Callable[[Results], Row | None]] = [
        _exact_latency,
        _exact_cpu,
        _streamed_hit,
        _semantic,
        _miss,
        _streamed_miss,
        _forwarding,
        _memory,
        _start,
        _wrong,
    ]
    made = [maker(results) for maker in makers]
    return [row for row in made if row is not None] + [row for outage in results.outages for row in _outage(outage)]


def _exact_latency(results: Results) -> Row | None:
    ours, floor = results.median("exact-c1"), results.median("fastapi-c1")
    if ours is None:
        return None
    beside = f"{ours.p50_ms / floor.p50_ms:.1f} x FastAPI ({floor.p50_ms:.2f} ms)" if floor else ""
    return Row("exact hit, p50 at concurrency 1", "1.5 ms", 1.5, ours.p50_ms, f"{ours.p50_ms:.2f} ms", beside)


def _exact_cpu(results: Results) -> Row | None:
    ours, app, get = (results.median(f"{step}-c16") for step in ("exact", "fastapi", "redis-get"))
    if ours is None:
        return None
    beside = ""
    if app and get:
        floor = app.total_cpu_us + get.total_cpu_us
        beside = f"{ours.total_cpu_us / floor:.1f} x FastAPI + Redis GET ({app.total_cpu_us:.0f} + {get.total_cpu_us:.0f} us)"
    cpu_ms = ours.total_cpu_us / 1e3
    return Row("exact hit, CPU", "0.9 ms", 0.9, cpu_ms, f"{cpu_ms:.2f} ms", beside)


def _streamed_hit(results: Results) -> Row | None:
    ratio, ours = results.ratio("streamed-hit-c16", "exact-c16"), results.median("streamed-hit-c16")
    if ratio is None or ours is None:
        return None
    text = f"{ratio:.2f} x ({ours.total_cpu_us / 1e3:.2f} ms, {ours.events:.0f} events)"
    return Row("streamed hit of 40 events, CPU", "1.5 x a plain hit", 1.5, ratio, text)


def _semantic(results: Results) -> Row | None:
    ratio, ours = results.ratio("semantic-c16", "embedder-c16"), results.median("semantic-c16")
    model = results.median("embedder-c16")
    if ratio is None or ours is None or model is None:
        return None
    text = f"{ratio:.2f} x ({ours.total_cpu_us / 1e3:.2f} ms, {ours.hit_share:.1%} hits)"
    beside = f"embedder {model.total_cpu_us / 1e3:.2f} ms"
    return Row("semantic hit, CPU", "1.5 x the embedder's own", 1.5, ratio, text, beside)


def _miss(results: Results) -> Row | None:
    more, direct = results.added("miss-c1", "direct-c1"), results.median("direct-c1")
    exact = results.added("exact-miss-c1", "direct-c1")
    if more is None or direct is None:
        return None
    beside = f"direct {direct.p50_ms:.2f} ms"
    if exact is not None:
        beside += f"; {exact.p50_ms:.2f} ms without the lookup by meaning"
    hedged = results.added("hedged-miss-c1", "direct-c1")
    if hedged is not None:
        beside += f"; {hedged.p50_ms:.2f} ms hedged"
    return Row("miss, added p50 at concurrency 1", "3 ms", 3.0, more.p50_ms, f"{more.p50_ms:.2f} ms", beside)


def _streamed_miss(results: Results) -> Row | None:
    more, direct = results.added("streamed-miss-c1", "direct-stream-c1"), results.median("direct-stream-c1")
    if more is None or direct is None:
        return None
    beside, text = f"direct {direct.first_p50_ms:.2f} ms", f"{more.first_p50_ms:.2f} ms"
    hedged = results.added("hedged-streamed-miss-c1", "direct-stream-c1")
    if hedged is not None:
        beside += f"; {hedged.first_p50_ms:.2f} ms hedged"
    return Row("streamed miss, added time to first token", "3 ms", 3.0, more.first_p50_ms, text, beside)


def _forwarding(results: Results) -> Row | None:
    ours, direct = results.median("streamed-miss-c1"), results.median("direct-stream-c1")
    if ours is None or direct is None:
        return None
    limit = EVENT_SECONDS * 1e3
    text = f"p50 {ours.lag_p50_ms:.2f} ms, p99 {ours.lag_p99_ms:.2f} ms on its way"
    beside = f"direct p99 {direct.lag_p99_ms:.2f} ms"
    return Row("every event forwarded at once", "before the next is sent (5 ms)", limit, ours.lag_p99_ms, text, beside)


def _memory(results: Results) -> Row | None:
    if results.bare is None:
        return None
    total = results.bare.total_mib * 2**20 / 1e6
    beside = f"{results.full.total_mib * 2**20 / 1e6:.0f} MB with the embedding model" if results.full else ""
    return Row("idle memory without models", "350 MB", 350.0, total, f"{total:.0f} MB", beside)


def _start(results: Results) -> Row | None:
    if results.full is None:
        return None
    seconds = results.full.start_seconds
    return Row("start until ready", "10 s", 10.0, seconds, f"{seconds:.1f} s")


def _wrong(results: Results) -> Row | None:
    runs = [run for step in results.rounds.values() for run in step]
    if not runs:
        return None
    wrong, asked = sum(run.wrong for run in runs), int(sum(run.requests for run in runs))
    errors = sum(run.failed for run in runs) - wrong
    return Row("wrong answers", "0", 0, wrong, f"{wrong} of {asked:,} ({errors} errors)")


def _outage(outage: Outage) -> list[Row]:
    budget = BUDGETS_MS[outage.name.split()[0]]
    more = outage.p99_during_ms - outage.p99_before_ms
    back = "did not recover" if outage.recovery_seconds is None else f"recovered {outage.recovery_seconds:.1f} s after"
    text = (
        f"p50 {outage.p50_during_ms - outage.p50_before_ms:+.1f} ms, p99 {more:+.1f} ms, "
        f"longest {outage.max_during_ms:.0f} ms; {back}"
    )
    beside = f"before: p50 {outage.p50_before_ms:.1f} ms, p99 {outage.p99_before_ms:.1f} ms"
    failed = f"{outage.failed} of {outage.requests:,}"
    measured = math.inf if outage.recovery_seconds is None else more
    return [
        Row(f"{outage.name}: failed requests", "0", 0, outage.failed, failed),
        Row(f"{outage.name}: added latency", f"budget {budget:.0f} ms (p99)", budget, measured, text, beside),
    ]
