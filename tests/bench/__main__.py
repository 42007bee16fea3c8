"""The benchmark's command line: start everything, measure in rounds, print the tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop

from tests.bench import flows, memory, protocols, report
from tests.bench.faults import FAULTS, Outage, suffer
from tests.bench.figures import Figures
from tests.bench.flows import Flow
from tests.bench.machine import describe
from tests.bench.plan import Plan, Step
from tests.bench.results import Results
from tests.bench.servers import REPOSITORY
from tests.bench.world import World, world

DOCUMENT = REPOSITORY / "docs" / "performance.md"
_STARTS = 3


def main() -> int:
    """Run what was asked for; status 1 when a request failed or got a wrong answer."""
    args = _arguments()
    # Modules compiled anew at every start would be measured as our start time and memory.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="synapse-bench-") as name:
        results = _measure(Path(name), args)
    text = report.markdown(results)
    sys.stdout.write(f"{text}\n")
    if args.out:
        args.out.write_text(json.dumps(asdict(results), indent=1), encoding="utf-8")
    if args.markdown:
        report.rewrite(DOCUMENT, text)
    return 1 if any(run.failed for run in (*results.runs, *results.outages)) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the mesh beside its floors.")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="STEP", help="steps whose names begin so; also `idle` and `faults`"
    )
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one run of a step (default: 1.5)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; every step runs once in each (default: 3)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--markdown", action="store_true", help=f"write the tables into docs/{DOCUMENT.name}")
    args = parser.parse_args()
    if args.seconds <= 0 or args.repeat < 1:
        parser.error("--seconds must be above 0 and --repeat at least 1")
    return args


def _measure(folder: Path, args: argparse.Namespace) -> Results:
    bare = full = None
    if _wanted("idle", args.only):
        _say("idle: starting and looking")
        bare = memory.idle(folder / "bare", models=False)
        full = memory.idle(folder / "full", models=True, starts=_STARTS)
    seen = Seen()
    if not args.only or set(args.only) != {"idle"}:
        inside = folder / "world"
        inside.mkdir()
        with world(inside) as running:
            uvloop.run(_rounds(running, args, seen))
    return Results(
        when=time.strftime("%Y-%m-%d"),
        machine=describe(),
        seconds=args.seconds,
        rounds=seen.rounds,
        flows=seen.flows,
        outages=seen.outages,
        bare=bare,
        full=full,
    )


@dataclass
class Seen:
    """What the rounds have seen so far, by step."""

    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    flows: dict[str, list[Flow]] = field(default_factory=dict)
    outages: list[Outage] = field(default_factory=list)


async def _rounds(running: World, args: argparse.Namespace, seen: Seen) -> None:
    plan = Plan(running)
    await plan.prepare()
    steps = {name: step for name, step in _steps(plan).items() if _wanted(name, args.only)}
    streams = {name: step for name, step in flows.steps(plan).items() if _wanted(name, args.only)}
    for number in range(args.repeat):
        for name, step in steps.items():
            run = await step(args.seconds)
            seen.rounds.setdefault(name, []).append(run)
            _say(
                f"round {number + 1} {name}: {run.rps:.0f}/s, p50 {run.p50_ms:.2f} ms, "
                f"{run.total_cpu_us:.0f} us CPU, {run.failed} failed, others {run.others:.2f} cores"
            )
        for name, stream in streams.items():
            flow = await stream()
            seen.flows.setdefault(name, []).append(flow)
            _say(
                f"round {number + 1} {name}: {flow.rate:.0f} events/s, {flow.total_cpu_us:.0f} us CPU each, "
                f"{flow.stalls} stalls, {flow.failed} failed, others {flow.others:.2f} cores"
            )
    for fault in FAULTS if _wanted("faults", args.only) else ():
        seen.outages.append(await suffer(plan, fault))
        _say(f"{fault.name}: {seen.outages[-1]}")


def _steps(plan: Plan) -> Mapping[str, Step]:
    return {**plan.steps(), **protocols.steps(plan)}


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(name.startswith(prefix) for prefix in only)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
