"""`synapse logs|savings|simulate`: what the cache did, what that saved, what other thresholds would bring."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

_LARGEST_PAGE = 1_000
_DAY_SECONDS = 86_400
_THRESHOLDS = {
    "cache_hit_threshold": ("--hit-threshold", "--hit"),
    "partial_hit_threshold": ("--partial-threshold", "--partial"),
    "l1_ttl_secs": ("--l1-ttl",),
    "l2_ttl_secs": ("--l2-ttl",),
    "max_error": ("--max-error",),
}
_HELP = {
    "cache_hit_threshold": "cosine similarity from which an entry may be served",
    "partial_hit_threshold": "cosine similarity from which an entry is considered",
    "l1_ttl_secs": "seconds for which an answer is served by exact key",
    "l2_ttl_secs": "seconds for which an answer is served by meaning",
    "max_error": "largest share of requests that may be answered wrongly",
}


def add_logs(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse logs`."""
    command.add_argument("--tier", choices=("L0", "L1", "L2"), type=str.upper, help="only hits of this tier")
    command.add_argument("--status", choices=("hit", "miss", "bypass"), type=str.lower, help="only these")
    command.add_argument("--namespace", default="", help="only this part of the tenant's cache")
    command.add_argument("--model", default="", help="only this model")
    command.add_argument("--like", metavar="ID", help="those that asked something like the request of this id")
    command.add_argument("-n", type=_count, default=50, metavar="COUNT", help="how many (default: %(default)s)")
    _add_json(command)


def add_savings(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse savings`."""
    command.add_argument("--days", type=float, default=30, help="how far back (default: %(default)s)")
    command.add_argument("--tenant", default="", help="whose (default: all tenants')")
    _add_json(command)


def add_simulate(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse simulate`."""
    for name, options in _THRESHOLDS.items():
        command.add_argument(
            *options, dest=name, type=float, default=argparse.SUPPRESS, metavar="NUMBER", help=_HELP[name]
        )
    command.add_argument("--shadow", choices=("on", "off"), help="on: hits by meaning are decided and not served")
    command.add_argument("--days", type=float, help="how far back (default: all that is logged)")
    command.add_argument("--tenant", default="", help="whose log is replayed (default: one's own)")
    command.add_argument("--namespace", default="", help="only this part of the tenant's cache")
    _add_json(command)


def logs(arguments: argparse.Namespace) -> int:
    """Print logged requests, newest first."""
    from synapse_standalone import tables

    if arguments.like:
        path = (
            f"/api/v1/logs/{quote(arguments.like, safe='')}/similar?{urlencode({'page_size': min(arguments.n, 100)})}"
        )
        found: list[Any] = _get(arguments, path).get("logs", [])
    else:
        found = _pages(arguments)
    return _print(arguments, found, tables.log_lines(found))


def savings(arguments: argparse.Namespace) -> int:
    """Print what hits saved."""
    from synapse_standalone import tables

    asked = {"window": _window(arguments.days)} | ({"tenant": arguments.tenant} if arguments.tenant else {})
    found = _get(arguments, f"/api/v1/analytics/savings?{urlencode(asked)}")
    return _print(arguments, found, tables.savings_lines(found))


def simulate(arguments: argparse.Namespace) -> int:
    """Print what logged requests would have brought under other thresholds."""
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    wanted: dict[str, Any] = {name: getattr(arguments, name) for name in _THRESHOLDS if hasattr(arguments, name)}
    if arguments.shadow is not None:
        wanted["shadow"] = arguments.shadow == "on"
    body: dict[str, Any] = {"thresholds": wanted, "tenant": arguments.tenant, "namespace": arguments.namespace}
    if arguments.days is not None:
        body["window"] = _window(arguments.days)
    found = client.admin(read_endpoint(arguments.state), "POST", "/api/v1/thresholds/simulate", body)
    return _print(arguments, found, tables.simulation_lines(found))


def _pages(arguments: argparse.Namespace) -> list[Any]:
    """As many logged requests as were asked for, over as many pages as that takes."""
    asked = {
        "tier": arguments.tier and f"CACHE_TIER_{arguments.tier}",
        "status": arguments.status and f"CACHE_STATUS_{arguments.status.upper()}",
        "namespace": arguments.namespace,
        "model": arguments.model,
    }
    found: list[Any] = []
    token = ""
    while len(found) < arguments.n:
        page = {"page_size": min(arguments.n - len(found), _LARGEST_PAGE), "page_token": token, **asked}
        reply = _get(arguments, f"/api/v1/logs?{urlencode({name: value for name, value in page.items() if value})}")
        found += reply.get("logs", [])
        token = reply.get("next_page_token", "")
        if not token:
            break
    return found


def _get(arguments: argparse.Namespace, path: str) -> dict[str, Any]:
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    return client.admin(read_endpoint(arguments.state), "GET", path)


def _print(arguments: argparse.Namespace, found: Mapping[str, Any] | Sequence[Any], lines: Sequence[str]) -> int:
    for line in [json.dumps(found, indent=2)] if arguments.json else lines:
        print(line)
    return 0


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print the reply as it comes")


def _window(days: float) -> str:
    return f"{days * _DAY_SECONDS:.0f}s"


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} is not 1 or more")
    return count
