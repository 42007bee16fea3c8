"""What operators decided about reuse, in force for one tenant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse_cache.model import Entry


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Bars, lifetimes and modes of one tenant.

    Similarities are cosines, 0 to 1: an entry is considered from `partial_similarity` on and may be served from
    `hit_similarity` on; 1 means exact only. `max_error` is the share of requests that may be answered wrongly, and
    `audit_share` that of the hits by meaning whose answer is compared with the backend's. In `shadow`, hits by meaning
    are decided and recorded, and the backend's answer is served. A stale window of 0 means never.
    """

    hit_similarity: float = 0.7
    partial_similarity: float = 0.7
    ttl_seconds: float = 86_400.0
    semantic_ttl_seconds: float = 7 * 86_400.0
    max_error: float = 0.01
    shadow: bool = False
    audit_share: float = 0.02
    stale_while_revalidate_seconds: float = 0.0
    stale_if_error_seconds: float = 0.0

    @property
    def by_meaning(self) -> bool:
        """Whether anything may be served by meaning."""
        return self.hit_similarity < 1 and self.max_error > 0

    def bounded(self, entry: Entry) -> Entry:
        """`entry` with lifetimes as these would have given it at most: a shortened one holds for older entries, too."""
        end = min(entry.expires_at, entry.created_at + self.ttl_seconds)
        semantic_end = min(entry.semantic_expires_at, entry.created_at + self.semantic_ttl_seconds)
        if end == entry.expires_at and semantic_end == entry.semantic_expires_at:
            return entry
        return replace(entry, expires_at=end, semantic_expires_at=semantic_end)


class ThresholdSource(Protocol):
    """The thresholds in force; asked on every request, so it answers from memory."""

    def of(self, tenant: str) -> Thresholds:
        """Those of one tenant."""
        ...


class FixedThresholds:
    """The same thresholds for every tenant."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds

    def of(self, _tenant: str) -> Thresholds:
        """Always the same."""
        return self._thresholds
