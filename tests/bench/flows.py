"""Streams side by side: what each of their events costs, how late it is, and whether any stream stalls."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.bench.backends import FLOOD, LONG, QUIET, model_of
from tests.bench.doors import Door
from tests.bench.driver import Tally, follow
from tests.bench.figures import quantile
from tests.bench.machine import Meter
from tests.bench.plan import Plan
from tests.bench.tongues import CLIENT_TONGUES, WIRES
from tests.bench.upstream.pace import Pace
from tests.bench.world import World

_IDLE_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """So many streams of one pace, begun within `stagger_seconds`.

    Measured is a window in which all of them run, `window_seconds` from `settle_seconds` after the last beginning; with
    0 the whole of it, from the first beginning until the mesh is idle again.
    """

    streams: int
    pace: Pace = QUIET
    stagger_seconds: float = 1.0
    settle_seconds: float = 1.0
    window_seconds: float = 4.0


_ONE = Shape(streams=1, pace=LONG, stagger_seconds=0.0, window_seconds=12.0)
_SIXTEEN = Shape(streams=16)
_MANY = Shape(streams=300, pace=LONG, stagger_seconds=6.0, settle_seconds=0.5, window_seconds=9.0)
_SATURATED = Shape(streams=16, pace=FLOOD, stagger_seconds=0.0, settle_seconds=0.0, window_seconds=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One run, or the median of several; CPU in microseconds per event by process, beyond what the idle mesh uses.

    `lag_*_ms` is how long an event was on its way from the upstream to the driver. Stalls, the longest silence inside a
    stream and failures are those of the whole run. `cores` is what the mesh used, `others` what somebody else did.
    """

    streams: int
    events: float = 0
    rate: float = 0
    lag_p50_ms: float = 0
    lag_p99_ms: float = 0
    lag_max_ms: float = 0
    cores: float = 0
    driver: float = 0
    others: float = 0
    stalls: int = 0
    longest_silence_ms: float = 0
    failed: int = 0
    event_cpu_us: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_cpu_us(self) -> float:
        """CPU per event, all processes of the mesh together."""
        return sum(self.event_cpu_us.values())


FlowStep: TypeAlias = Callable[[], Awaitable[Flow]]


def steps(plan: Plan) -> Mapping[str, FlowStep]:
    """All of them by name: chat completions over OpenAI's wire where no other protocol is named."""
    world = plan.world
    direct = Door(world.upstream.port, root=QUIET.segment)
    made = {
        "direct-300": _step(plan, direct, "", Shape(streams=300)),
        "quiet-1": _step(plan, world.door, model_of("openai", LONG), _ONE),
        "quiet-16": _step(plan, world.door, model_of("openai", QUIET), _SIXTEEN),
        "saturated": _step(plan, world.door, model_of("openai", FLOOD), _SATURATED),
        "300": _step(plan, world.door, model_of("openai", LONG), _MANY),
    }
    for name in [wire for wire in WIRES if wire != "openai"]:
        made[f"wire-{name}"] = _step(plan, world.door, model_of(name, QUIET), _SIXTEEN)
    for name in [tongue for tongue in CLIENT_TONGUES if tongue != "chat"]:
        made[name] = _step(plan, world.door_in(name), model_of("openai", QUIET), _SIXTEEN)
    return {f"stream-events-{name}": step for name, step in made.items()}


def _step(plan: Plan, door: Door, model: str, shape: Shape) -> FlowStep:
    return lambda: flow(plan, door, model, shape)


async def flow(plan: Plan, door: Door, model: str, shape: Shape) -> Flow:
    """One run of new questions."""
    world, tally = plan.world, Tally()
    questions = [next(plan.new_questions) for _ in range(shape.streams)]
    asks = list(door.asks(questions, model=model, stream=True))
    await world.settle()
    pids = world.pids_behind(door.port)
    idle = await _idle(pids)
    patience = shape.stagger_seconds + _PATIENCE_SECONDS
    began = _Mark.read(world, pids, tally)
    streams = follow(door.port, asks, tally, stagger_seconds=shape.stagger_seconds, seconds=patience)
    running = asyncio.create_task(streams)
    if shape.window_seconds:
        await asyncio.sleep(shape.stagger_seconds + shape.settle_seconds)
        began = _Mark.read(world, pids, tally)
        await asyncio.sleep(shape.window_seconds)
        ended = _Mark.read(world, pids, tally)
        await running
    else:
        await running
        await world.settle()
        ended = _Mark.read(world, pids, tally)
    return _flow(shape, tally, began, ended, idle)


@dataclass(frozen=True, slots=True)
class _Mark:
    """The clocks at one moment, and how many events had come."""

    events: int
    meter: Meter
    upstream_cpu: float

    @classmethod
    def read(cls, world: World, pids: Mapping[str, int], tally: Tally) -> _Mark:
        upstream = Meter.read({"upstream": world.upstream.pid})
        return cls(len(tally.lags), Meter.read(pids), upstream.total)


async def _idle(pids: Mapping[str, int]) -> dict[str, float]:
    """Cores that each process uses while nobody asks."""
    before = Meter.read(pids)
    await asyncio.sleep(_IDLE_SECONDS)
    used = Meter.read(pids).since(before)
    return {name: seconds / used.wall for name, seconds in used.processes.items()}


def _flow(shape: Shape, tally: Tally, began: _Mark, ended: _Mark, idle: Mapping[str, float]) -> Flow:
    used = ended.meter.since(began.meter)
    lags = tally.lags[began.events : ended.events]
    per_event = 1e6 / max(1, len(lags))
    others = used.machine - used.own - used.total - (ended.upstream_cpu - began.upstream_cpu)
    return Flow(
        streams=shape.streams,
        events=len(lags),
        rate=len(lags) / used.wall,
        lag_p50_ms=quantile(lags, 0.5) * 1e3,
        lag_p99_ms=quantile(lags, 0.99) * 1e3,
        lag_max_ms=max(lags, default=0.0) * 1e3,
        cores=used.total / used.wall,
        driver=used.own / used.wall,
        others=max(0.0, others / used.wall),
        stalls=tally.stalls,
        longest_silence_ms=tally.longest_silence * 1e3,
        failed=tally.wrong + sum(tally.errors.values()),
        event_cpu_us={
            name: max(0.0, seconds - idle[name] * used.wall) * per_event for name, seconds in used.processes.items()
        },
    )


def median(runs: Sequence[Flow]) -> Flow:
    """Every figure's median; stalls and failures are added up, the longest silence is that of all runs."""
    names = sorted({name for run in runs for name in run.event_cpu_us})
    plain = ("events", "rate", "lag_p50_ms", "lag_p99_ms", "lag_max_ms", "cores", "driver", "others")
    return Flow(
        streams=runs[0].streams,
        **{name: statistics.median(getattr(run, name) for run in runs) for name in plain},
        stalls=sum(run.stalls for run in runs),
        longest_silence_ms=max(run.longest_silence_ms for run in runs),
        failed=sum(run.failed for run in runs),
        event_cpu_us={name: statistics.median(run.event_cpu_us.get(name, 0.0) for run in runs) for name in names},
    )
