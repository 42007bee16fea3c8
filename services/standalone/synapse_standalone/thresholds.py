"""`synapse thresholds`: what operators decided about reuse, shown, set and taken back."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from synapse_standalone.errors import EXIT_FAILED, CommandError

_PATH = "/api/v1/thresholds"
_FOLLOW = "default"
_OPTIONS = {
    "hit": ("cache_hit_threshold", "cosine similarity from which an entry may be served; 1 means exact only"),
    "partial": ("partial_hit_threshold", "cosine similarity from which an entry is considered"),
    "l1-ttl": ("l1_ttl_secs", "seconds for which an answer is served by exact key"),
    "l2-ttl": ("l2_ttl_secs", "seconds for which an answer is served by meaning"),
    "max-error": ("max_error", "largest share of requests that may be answered wrongly; 0 means exact only"),
    "shadow": ("shadow", "on: decide and record hits by meaning, and let the backend answer"),
    "audit-share": ("audit_share", "share of the hits by meaning whose answer is compared with the backend's"),
    "stale-while-revalidate": (
        "stale_while_revalidate_secs",
        "seconds past its end that an answer is served meanwhile",
    ),
    "stale-if-error": ("stale_if_error_secs", "seconds past its end that an answer is served when backends fail"),
}
_SWITCH = {"on": True, "off": False}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    command.add_argument(
        "action",
        choices=("show", "set", "reset"),
        nargs="?",
        default="show",
        help="show what holds, change what the options name, or take back what was set (default: %(default)s)",
    )
    command.add_argument("--tenant", default="", help="whose thresholds (default: those of all tenants)")
    command.add_argument("--json", action="store_true", help="print the reply as it comes")
    for option, (name, text) in _OPTIONS.items():
        kind, shown = (_switch, "on|off") if name == "shadow" else (_number, "NUMBER")
        command.add_argument(
            f"--{option}", dest=name, type=kind, default=argparse.SUPPRESS, metavar=shown, help=f"set: {text}"
        )
    command.epilog = f"Give {_FOLLOW!r} as a value to follow the wider level again: tenant, all tenants, settings."


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; returns its exit status."""
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    named = {name: getattr(arguments, name) for name, _ in _OPTIONS.values() if hasattr(arguments, name)}
    if named and arguments.action != "set":
        raise CommandError(f"{arguments.action} changes nothing: say `synapse thresholds set`", status=EXIT_FAILED)
    if not named and arguments.action == "set":
        raise CommandError("set needs a threshold, such as --max-error 0.01", status=EXIT_FAILED)
    endpoint = read_endpoint(arguments.state)
    path = f"{_PATH}/tenants/{quote(arguments.tenant, safe='')}" if arguments.tenant else _PATH
    if arguments.action == "set":
        found = client.admin(endpoint, "PATCH", path, named)
    elif arguments.action == "reset":
        found = client.admin(endpoint, "DELETE", path)
    else:
        found = client.admin(endpoint, "GET", path)
    for line in [json.dumps(found, indent=2)] if arguments.json else tables.threshold_lines(found):
        print(line)
    return 0


def _or_default(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads a value, or None for the wider level's."""

    def read(text: str) -> Any:
        return None if text == _FOLLOW else kind(text)

    read.__name__ = "value"
    return read


def _on_or_off(text: str) -> bool:
    if text not in _SWITCH:
        raise argparse.ArgumentTypeError(f"{text!r} is not on, off or {_FOLLOW}")
    return _SWITCH[text]


_switch = _or_default(_on_or_off)
_number = _or_default(float)
