"""The one table between the wire's thresholds and the domain's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synapse.cache.v1.thresholds_pb2 import Thresholds as WireThresholds
from synapse_cache.thresholds.thresholds import Level, Thresholds
from synapse_runtime.errors import InvalidArgument

WIRE_NAMES = {
    "hit_similarity": "cache_hit_threshold",
    "partial_similarity": "partial_hit_threshold",
    "ttl_seconds": "l1_ttl_secs",
    "semantic_ttl_seconds": "l2_ttl_secs",
    "max_error": "max_error",
    "shadow": "shadow",
    "audit_share": "audit_share",
    "stale_while_revalidate_seconds": "stale_while_revalidate_secs",
    "stale_if_error_seconds": "stale_if_error_secs",
}
"""The wire's names of the thresholds, by the domain's."""
_NAMES = {wire: name for name, wire in WIRE_NAMES.items()}


def level_of(thresholds: WireThresholds) -> Level:
    """What is set in the message."""
    values: dict[str, Any] = {_NAMES[field.name]: value for field, value in thresholds.ListFields()}
    return Level(**values)


def thresholds_of(level: Level | Thresholds) -> WireThresholds:
    """The message of a level, or of what is in force."""
    return WireThresholds(**{wire: getattr(level, name) for name, wire in WIRE_NAMES.items()})


def names_of(paths: Iterable[str]) -> list[str]:
    """The thresholds that a mask names; raises InvalidArgument for one that there is not, and for a mask of none."""
    named = list(paths)
    unknown = next((path for path in named if path not in _NAMES), None)
    if unknown is not None:
        raise InvalidArgument(f"update_mask: there is no threshold {unknown!r}", metadata={"field": "update_mask"})
    if not named:
        raise InvalidArgument("there is nothing to change: name a threshold", metadata={"field": "thresholds"})
    return [_NAMES[path] for path in named]
