"""What requests feel when a dependency is killed or hangs under load."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.doors import Ask
from tests.bench.driver import Moment, drive
from tests.bench.figures import quantile
from tests.bench.plan import Plan
from tests.bench.questions import known

_BEFORE_SECONDS = 3.0
_HANG_SECONDS = 3.0
_AFTER_SECONDS = 10.0
_CONCURRENCY = 16
_PAUSE_SECONDS = 0.06
"""Between a connection's answer and its next question, so that the load leaves the machine some air."""
_OUTAGE_AT_LEAST_SECONDS = 1.0
_RECOVERED_ANSWERS = 20
_RECOVERED_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Fault:
    """A process of the mesh that is killed or hangs, and the questions that lean on it, with their usual tier."""

    process: str
    how: signal.Signals
    kind: str
    usual: str

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"{self.process} {'killed' if self.how is signal.SIGKILL else 'hangs'}"


FAULTS = (
    Fault("valkey", signal.SIGKILL, "exact", "HIT-L1"),
    Fault("valkey", signal.SIGSTOP, "exact", "HIT-L1"),
    Fault("embed", signal.SIGKILL, "reworded", "HIT-L2"),
    Fault("embed", signal.SIGSTOP, "reworded", "HIT-L2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What a fault did: times in ms of the questions that lean on the process, before and during the outage.

    `recovery_seconds` is from the end of the fault (the kill, or the end of the hanging) until the usual tier is back;
    None when it did not come back while we looked.
    """

    name: str
    requests: int
    during: int
    failed: int
    errors: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, int] = field(default_factory=dict)
    p50_before_ms: float = 0
    p99_before_ms: float = 0
    p50_during_ms: float = 0
    p99_during_ms: float = 0
    max_during_ms: float = 0
    recovery_seconds: float | None = None


async def suffer(plan: Plan, fault: Fault) -> Outage:
    """Load the mesh with a mix, let the fault happen, and read the timeline; raises nothing for failed requests."""
    world = plan.world
    pid = world.mesh.pids()[fault.process]
    await world.settle()
    began = time.perf_counter()
    seconds = _BEFORE_SECONDS + _HANG_SECONDS + _AFTER_SECONDS
    load = asyncio.create_task(
        drive(
            world.mesh.port,
            _mix(plan),
            concurrency=_CONCURRENCY,
            seconds=seconds,
            timeline=True,
            pause_seconds=_PAUSE_SECONDS,
        )
    )
    await asyncio.sleep(_BEFORE_SECONDS)
    struck = over = time.perf_counter()
    os.kill(pid, fault.how)
    if fault.how is signal.SIGSTOP:
        try:
            await asyncio.sleep(_HANG_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)
        over = time.perf_counter()
    tally = await load
    return _outage(fault, tally.timeline, tally.wrong, dict(tally.errors), (began, struck, over))


def _mix(plan: Plan) -> Iterator[Ask]:
    """Nine repeated questions in ten, and one reworded; every hundredth is new."""
    door, dice = plan.world.door, random.Random(3)
    repeated = list(door.asks(known(), kind="exact"))
    rewordings = door.asks(plan.new_wordings, kind="reworded")
    news = door.asks(plan.new_questions, kind="new")
    while True:
        draw = dice.random()
        yield dice.choice(repeated) if draw < 0.9 else next(rewordings) if draw < 0.99 else next(news)


def _outage(
    fault: Fault, timeline: Sequence[Moment], wrong: int, errors: Mapping[str, int], moments: tuple[float, float, float]
) -> Outage:
    began, struck, over = moments
    leaning = [moment for moment in timeline if moment[2] == fault.kind]
    before = [moment for moment in leaning if began + 0.5 < moment[0] < struck]
    back = _recovered(fault, leaning, over)
    until = timeline[-1][0] if back is None else max(back, over, struck + _OUTAGE_AT_LEAST_SECONDS)
    during = [moment for moment in leaning if struck <= moment[0] <= until]
    normal, hard = [moment[1] for moment in before], [moment[1] for moment in during]
    return Outage(
        name=fault.name,
        requests=len(timeline),
        during=len(during),
        failed=wrong + sum(errors.values()),
        errors={**errors, **({"wrong answer": wrong} if wrong else {})},
        tiers=dict(Counter(moment[3] for moment in during)),
        p50_before_ms=quantile(normal, 0.5) * 1e3,
        p99_before_ms=quantile(normal, 0.99) * 1e3,
        p50_during_ms=quantile(hard, 0.5) * 1e3,
        p99_during_ms=quantile(hard, 0.99) * 1e3,
        max_during_ms=max(hard, default=0.0) * 1e3,
        recovery_seconds=None if back is None else back - over,
    )


def _recovered(fault: Fault, leaning: Sequence[Moment], over: float) -> float | None:
    """When the first of so many answers came of which nine in ten had the usual tier."""
    after = [moment for moment in leaning if moment[0] >= over]
    usual = [moment[3] == fault.usual for moment in after]
    for start in range(len(after) - _RECOVERED_ANSWERS + 1):
        if sum(usual[start : start + _RECOVERED_ANSWERS]) >= _RECOVERED_SHARE * _RECOVERED_ANSWERS:
            return after[start][0]
    return None
