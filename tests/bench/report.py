"""Results as Markdown, and into docs/performance.md between its markers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.bench.figures import Figures
from tests.bench.flows import Flow
from tests.bench.memory import Idle
from tests.bench.protocols import HITS, LEVELS, MISSES, STREAMED_HITS
from tests.bench.results import Results
from tests.bench.targets import rows
from tests.bench.tongues import WIRES

BEGIN = "<!-- bench: written by `make bench ARGS=--markdown` -->"
END = "<!-- bench: end -->"
_NOISY_CORES = 0.3
_PARTS = ("gateway", "cache", "router", "embed", "valkey", "supervisor")
_MISSES = (
    ("miss", "direct"),
    ("exact-miss", "direct"),
    ("hedged-miss", "direct"),
    ("streamed-miss", "direct-stream"),
    ("hedged-streamed-miss", "direct-stream"),
)


def markdown(results: Results) -> str:
    """The tables: targets, protocols and wires, streamed events, every step, CPU by process, memory."""
    parts = [_heading(results), _targets(results), _ways(results), _events(results), _steps(results), _added(results)]
    parts += [_processes(results), _memory(results)]
    return "\n\n".join(part for part in parts if part)


def rewrite(document: Path, text: str) -> None:
    """Put `text` between the markers of `document`; raises ValueError when it has none."""
    content = document.read_text(encoding="utf-8")
    head, begin, rest = content.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} has no markers to write between")
    document.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}", encoding="utf-8")


def _heading(results: Results) -> str:
    machine = results.machine
    rounds = max(map(len, (*results.rounds.values(), *results.flows.values())), default=0)
    noise = max((run.others for run in results.runs), default=0.0)
    where = f"{machine['cpu']}, {machine['memory']}; {machine['system']}"
    lines = [f"Measured {results.when} on {where}; {rounds} rounds of {results.seconds:g} s a step."]
    if noise > _NOISY_CORES:
        lines.append(
            f"**Others used up to {noise:.1f} cores meanwhile: the figures are worse than a quiet machine's.**"
        )
    return "\n\n".join(lines)


def _targets(results: Results) -> str:
    body = [
        (row.figure, f"<= {row.target}" if row.limit else row.target, row.text, row.floor, row.verdict)
        for row in rows(results)
    ]
    return _table(("figure", "target", "measured", "beside", ""), body)


def _ways(results: Results) -> str:
    """What each protocol and each wire adds, beside the direct upstream of the same wire and level."""
    ways = [(f"miss, chat to {wire}", f"wire-{wire}", f"direct-{wire}") for wire in WIRES]
    ways += [(f"past the cache, chat to {wire}", f"through-{wire}", f"direct-{wire}") for wire in WIRES]
    for tongue in HITS:
        ways.append((f"{tongue}: hit", HITS[tongue], "direct-openai"))
        ways.append((f"{tongue}: streamed hit", STREAMED_HITS[tongue], "direct-openai"))
        ways.append((f"{tongue}: miss", MISSES[tongue], "direct-openai"))
    body = []
    for name, step, direct in ways:
        cells = [_way(results, f"{step}-c{level}", f"{direct}-c{level}") for level in LEVELS]
        if any(cells):
            body.append((name, *(cell for pair in cells for cell in pair or ("", "", ""))))
    head = ("added to direct", *(f"{what} at c{level}" for level in LEVELS for what in ("p50 ms", "p99 ms", "CPU us")))
    return "### Protocols and wires\n\n" + _table(head, body) if body else ""


def _way(results: Results, step: str, direct: str) -> tuple[str, str, str] | None:
    more, seen = results.added(step, direct), results.median(step)
    if more is None or seen is None:
        return None
    return f"{more.p50_ms:.2f}", f"{more.p99_ms:.2f}", f"{seen.total_cpu_us:,.0f}"


def _events(results: Results) -> str:
    body = [_event_row(step, seen, runs) for step, runs in results.flows.items() if (seen := results.flow(step))]
    lags, counts = ("lag p50 ms", "p99", "max"), ("longest silence ms", "stalls", "failed")
    head = ("step", "streams", "events/s", "CPU us", *_PARTS, *lags, *counts, "mesh cores", "driver", "others")
    return "### Streamed events\n\n" + _table((*head, "CPU us of each round"), body) if body else ""


def _event_row(step: str, seen: Flow, runs: Iterable[Flow]) -> tuple[str, ...]:
    return (
        step,
        str(seen.streams),
        f"{seen.rate:,.0f}",
        f"{seen.total_cpu_us:.0f}",
        *(f"{seen.event_cpu_us.get(name, 0):.0f}" for name in _PARTS),
        *(f"{value:.1f}" for value in (seen.lag_p50_ms, seen.lag_p99_ms, seen.lag_max_ms)),
        f"{seen.longest_silence_ms:.0f}",
        str(seen.stalls),
        str(seen.failed),
        *(f"{value:.2f}" for value in (seen.cores, seen.driver, seen.others)),
        _spread(runs),
    )


def _steps(results: Results) -> str:
    body = []
    for step, runs in results.rounds.items():
        middle = results.median(step)
        if middle is not None:
            body.append((step, *_cells(middle), _spread(runs)))
    head = (
        "step",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "hits",
        "wrong",
        "errors",
        "driver",
        "others",
        "CPU us of each round",
    )
    return "### Every step\n\n" + _table(head, body) if body else ""


def _cells(seen: Figures) -> tuple[str, ...]:
    served = sum(count for tier, count in seen.tiers.items() if tier)
    hits = sum(count for tier, count in seen.tiers.items() if tier.startswith("HIT"))
    return (
        f"{seen.rps:,.0f}",
        f"{seen.p50_ms:.2f}",
        f"{seen.p99_ms:.2f}",
        f"{seen.total_cpu_us:,.0f}",
        f"{hits / served:.1%}" if served else "",
        str(seen.wrong),
        str(sum(seen.errors.values())),
        f"{seen.driver:.2f}",
        f"{seen.others:.2f}",
    )


def _spread(runs: Iterable[Figures | Flow]) -> str:
    return " ".join(f"{run.total_cpu_us:.0f}" for run in runs)


def _added(results: Results) -> str:
    body = []
    for step, direct in _MISSES:
        for level in (1, 16):
            more = results.added(f"{step}-c{level}", f"{direct}-c{level}")
            if more is not None:
                times = (
                    more.p50_ms,
                    more.p99_ms,
                    more.first_p50_ms,
                    more.first_p99_ms,
                    more.lag_p50_ms,
                    more.lag_p99_ms,
                )
                body.append((f"{step}-c{level}", *(f"{value:.2f}" for value in times)))
    head = ("added to direct, ms", "p50", "p99", "first token p50", "p99", "an event's way p50", "p99")
    return "### What a miss adds\n\n" + _table(head, body) if body else ""


def _processes(results: Results) -> str:
    body = []
    for step in results.rounds:
        middle = results.median(step)
        if middle is not None and "gateway" in middle.cpu_us:
            body.append((step, *(f"{middle.cpu_us.get(name, 0):.0f}" for name in _PARTS), f"{middle.total_cpu_us:.0f}"))
    return "### CPU by process, us per request\n\n" + _table(("step", *_PARTS, "all"), body) if body else ""


def _memory(results: Results) -> str:
    known: Mapping[str, Idle | None] = {"without models": results.bare, "with the embedding model": results.full}
    seen = {name: idle for name, idle in known.items() if idle is not None}
    if not seen:
        return ""
    names = sorted({process for idle in seen.values() for process in idle.memory_mib})
    body = [
        (
            name,
            *(f"{idle.memory_mib.get(process, 0) * 2**20 / 1e6:.0f}" for process in names),
            f"{idle.total_mib * 2**20 / 1e6:.0f}",
            f"{idle.cores:.3f}",
            f"{idle.start_seconds:.1f}",
        )
        for name, idle in seen.items()
    ]
    head = ("idle mesh, MB", *names, "all", "cores used", "start s")
    return "### Memory and start\n\n" + _table(head, body)


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
