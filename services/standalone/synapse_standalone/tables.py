"""What the mesh tells of backends, models, thresholds and its configuration, as lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MODELS_SHOWN = 3
_BACKEND_HEAD = ("BACKEND", "PROVIDER", "STATE", "IN FLIGHT", "QUEUED", "REQUESTS", "ERRORS", "FIRST TOKEN", "MODELS")


def backend_lines(backends: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of the backends, and below it their last failures."""
    listed = list(backends)
    failures = [f"last error of {one['name']}: {one['last_error']}" for one in listed if one.get("last_error")]
    return [*_table(_BACKEND_HEAD, [_backend_row(one) for one in listed]), *(["", *failures] if failures else [])]


def model_lines(models: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of the models."""
    return _table(("MODEL", "OWNED BY"), [(str(one["id"]), str(one.get("owned_by", ""))) for one in models])


def threshold_lines(told: Mapping[str, Any]) -> list[str]:
    """A table of the thresholds in force and of what was set at the level, and below it the tenants that have one."""
    level, effective = told.get("set") or {}, told["effective"]
    whose = f"tenant {told['tenant']}" if told.get("tenant") else "all tenants"
    rows = [(name, _threshold(name, effective), _threshold(name, level)) for name in effective]
    own = told.get("tenants")
    return [
        *_table(("THRESHOLD", "IN FORCE", f"SET FOR {whose}"), rows),
        *(["", f"tenants with thresholds of their own: {', '.join(own)}"] if own else []),
    ]


def config_lines(told: Mapping[str, Any]) -> list[str]:
    """The configuration in use, when it was read, and what is not in use."""
    lines = [json.dumps(json.loads(told["config_json"]), indent=2), f"read at {told['load_time']}"]
    if told.get("rejected"):
        lines.append(f"the configuration that was read last is refused:\n{told['rejected']}")
    return [*lines, *_restart(told)]


def change_lines(told: Mapping[str, Any], *, validate_only: bool) -> list[str]:
    """What a reload changed, or would change."""
    if not told.get("changed"):
        return ["nothing changed", *_restart(told)]
    lines = ["the configuration is good" if validate_only else "the configuration is in use"]
    touched = {what: told.get(f"{what}_backends") for what in ("added", "removed", "changed")}
    lines += [f"{what} backends: {', '.join(names)}" for what, names in touched.items() if names]
    return [*lines, *_restart(told)]


def _restart(told: Mapping[str, Any]) -> list[str]:
    waiting = told.get("needs_restart")
    return [f"at the next start only: {', '.join(waiting)}"] if waiting else []


def _threshold(name: str, values: Mapping[str, Any]) -> str:
    value = values.get(name)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.10g}" + (" s" if name.endswith("_secs") else "")


def _backend_row(one: Mapping[str, Any]) -> Sequence[str]:
    models = list(one.get("models") or ())
    more = f" and {len(models) - _MODELS_SHOWN} more" if len(models) > _MODELS_SHOWN else ""
    limit = one.get("max_in_flight")
    latency = one.get("first_token_latency")
    return (
        str(one["name"]),
        str(one.get("provider", "")),
        str(one.get("state", "")).removeprefix("BACKEND_STATE_").lower().replace("_", " "),
        f"{one.get('in_flight', 0)}" + (f" of {limit}" if limit else ""),
        str(one.get("queued", 0)),
        str(one.get("request_count", 0)),
        f"{float(one.get('error_ratio', 0.0)):.0%}",
        f"{float(str(latency).removesuffix('s')) * 1000:.0f} ms" if latency else "-",
        ", ".join(models[:_MODELS_SHOWN]) + more or "-",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
