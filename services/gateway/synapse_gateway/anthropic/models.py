"""Models in Anthropic's form, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from synapse_gateway.anthropic.checks import wrong

_USUAL, _MOST = 20, 1000


def model(known: Mapping[str, Any]) -> dict[str, Any]:
    """One model; `known` is it in OpenAI's form."""
    made = datetime.fromtimestamp(known["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": known["id"], "display_name": known["id"], "created_at": made}


def page(known: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """The page that the members `limit`, `after_id` and `before_id` of a query ask for; raises Problem 400."""
    names = [entry["id"] for entry in known]
    limit = _limit(query.get("limit", str(_USUAL)))
    start, end = 0, len(names)
    if "after_id" in query:
        start = _place(names, query["after_id"], "after_id") + 1
    if "before_id" in query:
        end = _place(names, query["before_id"], "before_id")
        start = max(start, end - limit)
    shown = [model(entry) for entry in known[start:end][:limit]]
    return {
        "data": shown,
        "has_more": start > 0 if "before_id" in query else start + limit < end,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= _MOST:
        raise wrong("limit", f"Input should be an integer from 1 to {_MOST}")
    return limit


def _place(names: Sequence[str], name: str, where: str) -> int:
    if name not in names:
        raise wrong(where, "there is no such model")
    return names.index(name)
