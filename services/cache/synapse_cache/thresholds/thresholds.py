"""What operators decided about reuse: the thresholds in force for one tenant, and the levels they are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse_cache.model import Entry

MOST_SECONDS = 10 * 365 * 86_400.0
_SHARES = ("hit_similarity", "partial_similarity", "max_error", "audit_share")
_LIFETIMES = ("ttl_seconds", "semantic_ttl_seconds")
_WINDOWS = ("stale_while_revalidate_seconds", "stale_if_error_seconds")


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


class LevelRefused(Exception):
    """A level cannot be set; `field` is the name of the threshold, `problem` what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Level:
    """What was set for one tenant, or for all of them; None follows the wider level.

    With `only_tightens`, `max_error` holds as far as it is stricter than the wider level's: whoever set it may not
    loosen that, whenever it changes.
    """

    hit_similarity: float | None = None
    partial_similarity: float | None = None
    ttl_seconds: float | None = None
    semantic_ttl_seconds: float | None = None
    max_error: float | None = None
    shadow: bool | None = None
    audit_share: float | None = None
    stale_while_revalidate_seconds: float | None = None
    stale_if_error_seconds: float | None = None
    only_tightens: bool = False

    def over(self, wider: Thresholds) -> Thresholds:
        """The thresholds in force where `wider` holds around this level."""
        values = {name: getattr(self, name) for name in NAMES}
        laid = replace(wider, **{name: value for name, value in values.items() if value is not None})
        return replace(
            laid,
            partial_similarity=min(laid.partial_similarity, laid.hit_similarity),
            max_error=min(laid.max_error, wider.max_error) if self.only_tightens else laid.max_error,
        )

    def check(self, wider: Thresholds) -> None:
        """Raise LevelRefused for a value that cannot be, alone or where `wider` holds around it."""
        self._check_ranges()
        hit = wider.hit_similarity if self.hit_similarity is None else self.hit_similarity
        if self.partial_similarity is not None and self.partial_similarity > hit:
            raise LevelRefused("partial_similarity", f"must not be above the threshold of hits, {hit:g}")

    def _check_ranges(self) -> None:
        for name in NAMES:
            value = getattr(self, name)
            if value is None:
                continue
            if name in _SHARES and not 0 <= value <= 1:
                raise LevelRefused(name, "must lie between 0 and 1")
            if name in _LIFETIMES and not 0 < value <= MOST_SECONDS:
                raise LevelRefused(name, f"must be above 0 and at most {MOST_SECONDS:.0f} seconds")
            if name in _WINDOWS and not 0 <= value <= MOST_SECONDS:
                raise LevelRefused(name, f"must lie between 0 and {MOST_SECONDS:.0f} seconds")


NAMES = tuple(field.name for field in fields(Thresholds))
"""The names of all thresholds."""


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
