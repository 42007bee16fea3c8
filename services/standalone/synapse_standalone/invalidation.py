"""`synapse invalidate|invalidations`: take answers back, and show what was taken back before."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from synapse_standalone.errors import EXIT_FAILED, CommandError

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_CONDITIONS = {
    "id": ("ID", "the entry of this id: header x-synapse-entry-id"),
    "key": ("KEY", "the entry that this exact key leads to: header cache-status"),
    "namespace": ("NAME", "entries of this part of the cache; alone, all of it at once"),
    "tag": ("TAG", "entries that carry this label"),
    "model": ("MODEL", "answers of this model"),
    "similar_to": ("TEXT", "entries whose question is like this text"),
}
_LARGEST_PAGE = 1_000


def add_invalidate(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse invalidate`."""
    for name, (shown, text) in _CONDITIONS.items():
        command.add_argument(f"--{name.replace('_', '-')}", metavar=shown, help=text)
    command.add_argument("--older-than", type=_age, metavar="AGE", help="entries at least this old: 90s, 30m, 12h, 7d")
    command.add_argument(
        "--min-similarity", type=float, metavar="NUMBER", help="how like --similar-to, 0 to 1 (default: 0.9)"
    )
    command.add_argument("--all", action="store_true", help="every entry of the tenant")
    command.add_argument("--tenant", help="whose entries (default: one's own)")
    command.add_argument("--dry-run", action="store_true", help="only tell what would go")
    command.add_argument("--reason", help="why, for the audit trail")
    command.add_argument("--yes", action="store_true", help="do not ask before --all")
    command.add_argument("--json", action="store_true", help="print the reply as it comes")
    command.epilog = "An entry goes when it meets all of the conditions."


def add_invalidations(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse invalidations`."""
    command.add_argument("--tenant", default="", help="whose (default: everybody's)")
    command.add_argument("-n", type=int, default=50, metavar="COUNT", help="how many (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print them as they come")


def invalidate(arguments: argparse.Namespace) -> int:
    """Take answers back, and print how many."""
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    asked = {name: value for name in _CONDITIONS if (value := getattr(arguments, name))}
    if arguments.older_than is not None:
        asked["older_than"] = f"{arguments.older_than:.3f}s"
    if not asked and not arguments.all:
        raise CommandError("say what goes: --id, --key, --tag, ..., or --all", status=EXIT_FAILED)
    endpoint = read_endpoint(arguments.state)
    if arguments.all and not (arguments.dry_run or arguments.yes):
        _confirm(arguments.tenant)
    asked |= {name: True for name in ("all", "dry_run") if getattr(arguments, name)}
    asked |= {name: value for name in ("tenant", "reason") if (value := getattr(arguments, name))}
    if arguments.min_similarity is not None:
        asked["min_similarity"] = arguments.min_similarity
    told = client.admin(endpoint, "POST", "/api/v1/cache:invalidate", asked)
    print(json.dumps(told) if arguments.json else _told(told, dry_run=arguments.dry_run))
    return 0


def invalidations(arguments: argparse.Namespace) -> int:
    """Print what was taken back, newest first."""
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    endpoint, found, token = read_endpoint(arguments.state), list[Any](), ""
    while len(found) < arguments.n:
        size = min(arguments.n - len(found), _LARGEST_PAGE)
        asked = urlencode({"page_size": size, "page_token": token, "tenant": arguments.tenant})
        page = client.admin(endpoint, "GET", f"/api/v1/invalidations?{asked}")
        found += page.get("invalidations", ())
        token = page.get("next_page_token", "")
        if not token:
            break
    if arguments.json:
        print(json.dumps(found))
        return 0
    for line in tables.invalidation_lines(found):
        print(line)
    return 0


def _confirm(tenant: str | None) -> None:
    """Go on when a person says so; raises CommandError else."""
    whose = f"tenant {tenant}" if tenant else "the tenant"
    if not sys.stdin.isatty():
        raise CommandError(f"this removes every answer of {whose}: say --yes", status=EXIT_FAILED)
    if input(f"Remove every answer of {whose}? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("nothing was removed", status=EXIT_FAILED)


def _told(told: Mapping[str, Any], *, dry_run: bool) -> str:
    removed, matched = int(told.get("removed", 0)), int(told.get("matched", 0))
    if not dry_run:
        return "removed, how many is not known" if removed < 0 else f"removed {_counted(removed)}"
    sample = told.get("sample_ids") or ()
    more = ["..."] if matched > len(sample) else []
    return "\n".join([f"would remove {_counted(matched)}", *sample, *more])


def _counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def _age(text: str) -> float:
    found = _AGE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: a number and s, m, h, d or w, such as 12h")
    return float(found[1]) * _SECONDS[found[2]]
