"""What the mesh tells of backends, models, thresholds and its configuration, as lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MODELS_SHOWN = 3
_PROMPT_SHOWN = 60
_LOG_HEAD = (
    "TIME",
    "STATUS",
    "REASON",
    "SIMILAR",
    "RIGHT",
    "NEEDED",
    "TOOK",
    "TOKENS SAVED",
    "MODEL",
    "NAMESPACE",
    "ID",
)
_SAVINGS_HEAD = ("REQUESTS", "HITS", "RATE", "TOKENS", "COST", "TIME")
_PROJECTED = {
    "requests": "requests",
    "hits_exact": "hits by exact key",
    "hits_semantic": "hits by meaning",
    "hit_rate": "hit rate",
    "tokens_saved": "tokens saved",
    "cost_saved": "cost saved",
    "expected_error": "expected error",
    "error_bound": "error at most (95 %)",
}
_INVALIDATION_HEAD = ("WHEN", "TENANT", "WHO", "WHAT", "REMOVED", "WHY")
_NARROWING = ("id", "key", "namespace", "tag", "model", "older_than", "similar_to")
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


def log_lines(logs: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of logged requests; their texts, where the operator has them logged, at its right."""
    listed = list(logs)
    head = _LOG_HEAD + (("LIKE",) if any("similarity" in one for one in listed) else ())
    head += ("PROMPT",) if any(one.get("prompt") for one in listed) else ()
    return _table(head, [_log_row(one) + _log_tail(one, head) for one in listed])


def savings_lines(found: Mapping[str, Any]) -> list[str]:
    """What was saved in all, by model and by day."""
    total = [("all", *_saved(found.get("total") or {}))]
    models = [(f"{row['tenant']} {row['model']}", *_saved(row)) for row in found.get("by_model") or ()]
    days = [(row["day"], *_saved(row)) for row in found.get("by_day") or ()]
    return _table(("SAVED", *_SAVINGS_HEAD), [*total, *models, *days])


def simulation_lines(found: Mapping[str, Any]) -> list[str]:
    """Both projections beside each other, and the words of caution."""
    both = found.get("current") or {}, found.get("simulated") or {}
    rows = [(name, *(_projected(projection, key) for projection in both)) for key, name in _PROJECTED.items()]
    caveats = [f"- {caveat}" for caveat in found.get("caveats") or ()]
    return [*_table(("", "AS IT WAS", "AS IT WOULD BE"), rows), *(["", *caveats] if caveats else [])]


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


def _log_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    outcome = one.get("outcome") or {}
    status = str(outcome.get("status", "")).removeprefix("CACHE_STATUS_")
    tier = str(outcome.get("tier", "")).removeprefix("CACHE_TIER_")
    return (
        str(one.get("time", ""))[:19].replace("T", " "),
        f"{status}-{tier}" if status == "HIT" else status,
        str(outcome.get("reason", "")) + (f" ({one['best_veto']})" if one.get("best_veto") else ""),
        _decimal(one.get("best_similarity"), ".3f"),
        _decimal(one.get("probability"), ".3f"),
        _decimal(None if one.get("bar") is None else 1 - one["bar"], ".3f"),
        f"{float(str(outcome.get('latency', '0s')).removesuffix('s')) * 1000:.1f} ms",
        str(outcome.get("tokens_saved", 0)),
        str(one.get("model", "")),
        str(one.get("namespace", "")),
        str(one.get("id", "")),
    )


def _log_tail(one: Mapping[str, Any], head: Sequence[str]) -> tuple[str, ...]:
    like = (_decimal(one.get("similarity"), ".3f"),) if "LIKE" in head else ()
    return like + ((" ".join(str(one.get("prompt", "")).split())[:_PROMPT_SHOWN],) if "PROMPT" in head else ())


def _saved(row: Mapping[str, Any]) -> tuple[str, ...]:
    requests, hits = int(row.get("requests", 0)), int(row.get("hits", 0))
    return (
        f"{requests:,}",
        f"{hits:,}",
        f"{hits / requests:.0%}" if requests else "-",
        f"{int(row.get('tokens_saved', 0)):,}",
        f"${float(row.get('cost_saved', 0.0)):,.4f}",
        f"{float(row.get('milliseconds_saved', 0.0)) / 1000:,.1f} s",
    )


def _projected(projection: Mapping[str, Any], key: str) -> str:
    value = float(projection.get(key, 0))
    if key == "cost_saved":
        return f"${value:,.4f}"
    return f"{value:.2%}" if key in {"hit_rate", "expected_error", "error_bound"} else f"{value:,.0f}"


def _decimal(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


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


def invalidation_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of invalidations."""
    return _table(_INVALIDATION_HEAD, [_invalidation_row(one) for one in found])


def _invalidation_row(one: Mapping[str, Any]) -> Sequence[str]:
    asked = one.get("conditions") or {}
    removed = int(one.get("removed", 0))
    return (
        str(one.get("time", ""))[:19].replace("T", " "),
        str(one.get("tenant", "")),
        str(one.get("actor", "")),
        _conditions(asked),
        "?" if removed < 0 else str(removed),
        str(asked.get("reason") or "-"),
    )


def _conditions(asked: Mapping[str, Any]) -> str:
    if asked.get("all"):
        return "all"
    named = [f"{name.replace('_', '-')}={asked[name]}" for name in _NARROWING if asked.get(name)]
    return " ".join(named)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
