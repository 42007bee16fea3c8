"""Patches of Kubernetes objects: JSON merge patch, the strategic one (lists are merged by a key), and server-side apply."""

from __future__ import annotations

import copy
from typing import Any

# By the name of the list; the first key that the items have counts.
_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ports": ("containerPort", "port"),
    "topologySpreadConstraints": ("topologyKey",),
}


def merged(base: Any, patch: Any) -> Any:
    """`base` with a JSON merge patch (RFC 7396) laid over it."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def strategically_merged(base: Any, patch: Any) -> Any:
    """`base` with a strategic merge patch laid over it; of its directives those that helm and kubectl write."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    result = dict(base) if isinstance(base, dict) else {}
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [item for item in result.get(name, []) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list) and (by := _merge_key(key, value)):
            order = patch.get(f"$setElementOrder/{key}", [])
            result[key] = _merged_items(result.get(key) or [], value, by=by, order=order)
        else:
            result[key] = strategically_merged(result.get(key), value)
    return result


def applied(base: Any, last: Any, patch: Any) -> Any:
    """`base` with `patch` applied by whom applied `last`: what others set stays, what is no more in `patch` goes."""
    if not isinstance(patch, dict) or not isinstance(base, dict):
        return copy.deepcopy(patch)
    before = last if isinstance(last, dict) else {}
    kept = {key: value for key, value in base.items() if key in patch or key not in before}
    return kept | {key: applied(kept.get(key), before.get(key), value) for key, value in patch.items()}


def _merge_key(name: str, items: list[Any]) -> str:
    keys = _MERGE_KEYS.get(name, ())
    return next((key for key in keys if all(isinstance(item, dict) and key in item for item in items)), "")


def _merged_items(base: list[Any], patch: list[Any], *, by: str, order: list[Any]) -> list[Any]:
    items = {item[by]: item for item in base}
    for item in patch:
        if item.get("$patch") == "delete":
            items.pop(item[by], None)
        else:
            items[item[by]] = strategically_merged(items.get(item[by]), item)
    ranks = {item[by]: rank for rank, item in enumerate(order)}
    return sorted(items.values(), key=lambda item: ranks.get(item[by], len(ranks)))
