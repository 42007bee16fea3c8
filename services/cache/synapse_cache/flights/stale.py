"""When an answer past its end is better than none, or than waiting: by exact key only, and where the tenant wants it.

An answer by meaning is never served stale: whether it is right is a question already, and its age would be another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_runtime.errors import DeadlineExceeded, Internal, ResourceExhausted, Unavailable

if TYPE_CHECKING:
    from synapse_cache.model import Entry, Policy
    from synapse_cache.thresholds.thresholds import Thresholds

WHILE_REVALIDATING = "stale_while_revalidate"
IF_ERROR = "stale_if_error"
_UNWELL = (Unavailable, DeadlineExceeded, Internal, ResourceExhausted, TimeoutError)


def stale_until(expires_at: float, thresholds: Thresholds) -> float:
    """Until when an answer that ends at `expires_at` is worth keeping; 0 where the tenant serves nothing stale."""
    window = max(thresholds.stale_while_revalidate_seconds, thresholds.stale_if_error_seconds)
    return expires_at + window if window > 0 else 0.0


def while_revalidating(entry: Entry, thresholds: Thresholds, *, now: float) -> bool:
    """Whether an answer past its end may be served while a fresh one is fetched behind."""
    return _within(entry, thresholds.stale_while_revalidate_seconds, now)


def if_error(entry: Entry, thresholds: Thresholds, policy: Policy, *, now: float) -> bool:
    """Whether an answer past its end may be served where the backends fail; the caller may be stricter."""
    window, wanted = thresholds.stale_if_error_seconds, policy.stale_if_error_seconds
    return _within(entry, window if wanted is None else min(window, wanted), now)


def is_unwell(error: Exception) -> bool:
    """Whether `error` is a backend's fault: no connection, a failure of its own, too slow, or too busy."""
    return isinstance(error, _UNWELL)


def _within(entry: Entry, window: float, now: float) -> bool:
    return entry.expires_at <= now < min(entry.expires_at + window, entry.stale_until)
