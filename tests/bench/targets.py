"""What a benchmark comes to beside the targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.driver import STALL_SECONDS
from tests.bench.faults import Outage
from tests.bench.protocols import MISSES
from tests.bench.results import Results
from tests.bench.tongues import WIRES
from tests.bench.upstream.pace import PACED

BUDGETS_MS = {"valkey": 50.0, "embed": 250.0}
"""How long a request waits for each dependency, as configured by default."""
_ADDED_MS = 2.0
_QUIET_US = 300.0
_SATURATED_US = 150.0


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
    made = [row for maker in makers if (row := maker(results)) is not None]
    made += [*_ways(results), *_events(results)]
    return made + [row for outage in results.outages for row in _outage(outage)]


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
    limit = (PACED.every_seconds or 0.0) * 1e3
    text = f"p50 {ours.lag_p50_ms:.2f} ms, p99 {ours.lag_p99_ms:.2f} ms on its way"
    beside = f"direct p99 {direct.lag_p99_ms:.2f} ms"
    return Row("every event forwarded at once", "before the next is sent (5 ms)", limit, ours.lag_p99_ms, text, beside)


def _ways(results: Results) -> list[Row]:
    """What the backend's wire and the client's protocol add, past the cache, and in a miss without a search."""
    ways = [(f"chat to {wire}, past the cache", f"through-{wire}", wire) for wire in WIRES]
    ways += [(f"chat to {wire}, miss", f"wire-{wire}", wire) for wire in WIRES]
    ways += [(f"{name} to openai, miss", step, "openai") for name, step in MISSES.items() if name != "chat"]
    made = []
    for name, step, wire in ways:
        floor = f"direct-{wire}-c1"
        more, direct = results.added(f"{step}-c1", floor), results.median(floor)
        if more is not None and direct is not None:
            text, beside = f"{more.p50_ms:.2f} ms", f"direct {direct.p50_ms:.2f} ms"
            figure = f"{name}: added p50 at concurrency 1"
            made.append(Row(figure, f"{_ADDED_MS:g} ms", _ADDED_MS, more.p50_ms, text, beside))
    return made


def _events(results: Results) -> list[Row]:
    """What an event of a stream costs, and whether streams stall."""
    limits = {"quiet-1": _QUIET_US, "quiet-16": _QUIET_US, "saturated": _SATURATED_US, "300": _SATURATED_US}
    made = []
    for name, limit in limits.items():
        seen = results.flow(f"stream-events-{name}")
        if seen is not None:
            beside = f"{seen.streams} streams, {seen.rate:,.0f} events/s, {seen.cores:.2f} cores"
            text = f"{seen.total_cpu_us:.0f} us"
            made.append(Row(f"streamed event, CPU, {name}", f"{limit:g} us", limit, seen.total_cpu_us, text, beside))
    many, direct = results.flow("stream-events-300"), results.flow("stream-events-direct-300")
    if many is not None:
        text = f"{many.stalls} over {STALL_SECONDS * 1e3:g} ms, {many.failed} failed; longest {many.longest_silence_ms:.0f} ms"
        beside = f"lag p50 {many.lag_p50_ms:.1f}, p99 {many.lag_p99_ms:.1f} ms"
        beside += f"; direct {direct.lag_p50_ms:.1f}, {direct.lag_p99_ms:.1f} ms" if direct else ""
        figure = "300 streams of 20 events/s: stalls"
        made.append(Row(figure, "0", 0, many.stalls + many.failed, text, beside))
    return made


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
