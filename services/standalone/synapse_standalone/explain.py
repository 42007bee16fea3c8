"""`synapse explain`: what the cache of the running mesh would do with a question, and why."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH_OF_A_FILE = 200
_GOOD, _BAD, _OPEN = "green", "red", "yellow"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What `synapse explain` can be told."""
    command.add_argument("prompt", help="the question; no model is asked, and nothing is stored or counted")
    command.add_argument("--model", help="model that would be asked (default: the one in endpoint.json)")
    command.add_argument("--system", metavar="TEXT", help="system prompt that it would be asked with")
    command.add_argument("--namespace", default="", help="part of the cache to look into")
    command.add_argument(
        "--variations", action="store_true", help="show what becomes of other wordings of the question, made by rule"
    )
    command.add_argument("--json", action="store_true", help="print the reply as it comes")


def run(arguments: argparse.Namespace) -> int:
    """Ask for the explanation and print it; exit status 0 whatever would happen."""
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    endpoint = read_endpoint(arguments.state)
    body = _body(arguments, model=arguments.model or endpoint["model"])
    path = "/api/v1/playground/variations" if arguments.variations else "/api/v1/cache:explain"
    found = client.admin(endpoint, "POST", path, body)
    if arguments.json:
        print(json.dumps(found, indent=2))
    elif arguments.variations:
        _show_variations(_console(), found["variations"])
    else:
        _show(_console(), found["explanation"])
    return 0


def _body(arguments: argparse.Namespace, *, model: str) -> dict[str, Any]:
    system = [{"role": "system", "text": arguments.system}] if arguments.system else []
    request = {"model": model, "messages": [*system, {"role": "user", "text": arguments.prompt}]}
    return {"request": request, "control": {"namespace": arguments.namespace} if arguments.namespace else {}}


def _console() -> Console:
    """A console that wraps what people read, and writes whole lines without colours into a file."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def _show(console: Console, explanation: Mapping[str, Any]) -> None:
    hit = _status(explanation).startswith("HIT")
    console.print(explanation["summary"], style=_GOOD if hit else _OPEN, soft_wrap=True)
    console.print()
    for name, value in _facts(explanation):
        console.print(f"{name:<12}{value}", soft_wrap=True)
    candidates = explanation["candidates"]
    if candidates:
        console.print()
        console.print(_candidates(candidates, shadow=explanation["outcome"]["shadow"]))


def _facts(explanation: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What holds for the decision, as names and values."""
    outcome, thresholds = explanation["outcome"], explanation.get("thresholds") or {}
    yield "decision", f"{_status(explanation)}, {outcome['reason']}"
    if explanation.get("bar") is not None:
        allowed = _percent(thresholds.get("max_error", 0.0))
        yield "needed now", f"right with {_percent(1 - explanation['bar'])} or more (max_error {allowed})"
    if explanation["suspended"]:
        yield "suspended", "reuse by meaning is off: its budget of errors broke"
    if explanation["freshness"] != "static":
        yield "freshness", explanation["freshness"]
    for name in ("exact_only_reason", "uncacheable_reason"):
        if explanation[name]:
            yield name.removesuffix("_reason").replace("_", " "), explanation[name]
    yield "key", outcome["key"]
    if explanation["entry_key"] not in {"", outcome["key"]}:
        yield "its key", explanation["entry_key"]
    if outcome["entry_id"]:
        yield "entry", outcome["entry_id"]


def _candidates(candidates: Sequence[Mapping[str, Any]], *, shadow: bool) -> Table:
    table = _table("SIMILAR", "RIGHT", "VERIFIER", "VERDICT", "QUESTION", "ENTRY")
    for one in candidates:
        verdict, style = _verdict(one, served="shadow" if shadow else "served")
        score = "-" if one.get("score") is None else f"{one['score']:+.2f}"
        cells = (f"{one['similarity']:.3f}", _right(one), score, verdict, " ".join(one["prompt"].split()) or "-")
        table.add_row(*_cells(*cells, one["entry_id"], style=style))
    return table


def _show_variations(console: Console, variations: Sequence[Mapping[str, Any]]) -> None:
    if not variations:
        console.print("no wordings could be made of this question by rule")
        return
    table = _table("ASKS", "EDIT", "WORDING", "IF YOURS WERE STORED", "RIGHT", "NOW")
    for one in variations:
        against, now = one["against_original"], one["explanation"]
        verdict, _ = _verdict(against, served="would hit")
        asks = "-" if one.get("same") is None else "the same" if one["same"] else "otherwise"
        status = f"{_status(now)}, {now['outcome']['reason']}"
        cells = (asks, one["edit"] or "-", one["text"], verdict, _right(against), status)
        table.add_row(*_cells(*cells, style=_style(one)))
    console.print(table)
    console.print()
    for same, words in ((True, "ask the same"), (False, "ask otherwise")):
        of_kind = [one for one in variations if one.get("same") is same]
        hits = sum(_would_hit(one["against_original"]) for one in of_kind)
        if of_kind:
            console.print(f"{hits} of {len(of_kind)} wordings that {words} would get your answer")


def _style(variation: Mapping[str, Any]) -> str:
    """Green for a hit as it should be, yellow for one that is missed, red for a wrong answer."""
    same, would_hit = variation.get("same"), _would_hit(variation["against_original"])
    if same is None or same is would_hit:
        return _GOOD if would_hit else ""
    return _OPEN if same else _BAD


def _would_hit(candidate: Mapping[str, Any]) -> bool:
    return not candidate["veto"] and not candidate["reason"]


def _verdict(candidate: Mapping[str, Any], *, served: str) -> tuple[str, str]:
    """What became of a candidate, and in which colour."""
    if candidate["veto"]:
        return f"veto: {candidate['veto']}", _BAD
    told = candidate["reason"] or served
    doubt = f" (open: {candidate['doubt']})" if candidate["doubt"] else ""
    return told + doubt, _OPEN if candidate["reason"] else _GOOD


def _right(candidate: Mapping[str, Any]) -> str:
    probability = candidate.get("probability")
    return "-" if probability is None else _percent(probability)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def _status(explanation: Mapping[str, Any]) -> str:
    outcome = explanation["outcome"]
    status = str(outcome["status"]).removeprefix("CACHE_STATUS_")
    tier = str(outcome["tier"]).removeprefix("CACHE_TIER_")
    return f"{status}-{tier}" if status == "HIT" else status


def _table(*head: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    return table


def _cells(*texts: str, style: str) -> list[Any]:
    """Cells whose text is shown as it stands."""
    from rich.text import Text

    return [Text(text, style=style) for text in texts]
