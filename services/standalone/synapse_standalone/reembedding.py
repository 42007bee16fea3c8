"""`synapse reembed`: the way from one embedding model to another, begun, watched, taken and taken back."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from synapse_standalone.errors import EXIT_FAILED, CommandError

_PATH = "/api/v1/embedder"
_LOOK_SECONDS = 0.5
_BUILDING = "STAGE_BUILDING"
_SAID = {
    "STAGE_BUILDING": "building the vectors of {to_model}; {from_model} serves",
    "STAGE_READY": "the vectors of {to_model} are ready: `synapse reembed switch`; {from_model} serves",
    "STAGE_SWITCHED": "{to_model} serves",
    "STAGE_ROLLED_BACK": "{from_model} serves; moving to {to_model} was taken back",
    "STAGE_FAILED": "failed; {from_model} serves",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    command.add_argument(
        "action",
        choices=("start", "status", "switch", "rollback"),
        nargs="?",
        default="status",
        help="build the vectors of MODEL, say how far they are, serve from them, or from the old ones again",
    )
    command.add_argument("model", nargs="?", metavar="MODEL", help="start: a model that the embed service lists")
    command.add_argument(
        "--watch", action="store_true", help="start, status: show progress until the vectors are ready"
    )
    command.add_argument("--json", action="store_true", help="print the reply as it comes")


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; with --watch the exit status is 1 unless the vectors got ready."""
    from synapse_standalone.state import read_endpoint

    if (arguments.action == "start") != bool(arguments.model):
        raise CommandError("start, and only start, needs the name of a model", status=EXIT_FAILED)
    endpoint = read_endpoint(arguments.state)
    found = _asked(endpoint, arguments.action, arguments.model)
    if arguments.watch and arguments.action in {"start", "status"}:
        found = _watched(endpoint, found)
    for line in [json.dumps(found, indent=2)] if arguments.json else lines_of(found):
        print(line)
    return int(arguments.watch and found.get("stage") in {_BUILDING, "STAGE_FAILED"})


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """How it stands, for people."""
    if not found:
        return ["no re-embedding was ever begun"]
    lines = [_SAID.get(str(found["stage"]), str(found["stage"])).format(**found)]
    if found["stage"] in {_BUILDING, "STAGE_READY"}:
        lines.append(progress_of(found))
    if found.get("error"):
        lines.append(f"note: {found['error']}")
    if found.get("removed"):
        lines.append("the vectors that do not serve were removed")
    elif found.get("remove_time"):
        lines.append(f"the vectors that do not serve are kept until {found['remove_time']}")
    return lines


def progress_of(found: Mapping[str, Any]) -> str:
    """How many entries are done."""
    done, total = int(found.get("done", 0)), int(found.get("total", -1))
    return f"{done} entries" if total < 0 else f"{done} of {total} entries"


def _asked(endpoint: Mapping[str, Any], action: str, model: str | None = None) -> dict[str, Any]:
    from synapse_standalone import client

    if action == "status":
        reply = client.admin(endpoint, "GET", _PATH)
    else:
        verb = {"start": "reembed", "switch": "switch", "rollback": "rollback"}[action]
        reply = client.admin(endpoint, "POST", f"{_PATH}:{verb}", {"model": model} if model else {})
    return dict(reply.get("reembedding") or {})


def _watched(endpoint: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Show progress until nothing is being built."""
    from synapse_standalone.progress import progress

    with progress(sys.stderr) as shown:
        while found.get("stage") == _BUILDING:
            total = int(found.get("total", -1))
            share = int(found.get("done", 0)) / total if total > 0 else None
            note = f" ({found['error']})" if found.get("error") else ""
            shown.tell(f"{progress_of(found)}{note}", share=share)
            time.sleep(_LOOK_SECONDS)
            found = _asked(endpoint, "status")
    return found
