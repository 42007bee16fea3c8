"""Logged requests for tests."""

from __future__ import annotations

from typing import Any

from synapse_cache.analytics.request_log import Logged
from synapse_cache.model import Status, Tier


def a_miss(**changes: Any) -> Logged:
    """A request that found nothing, at 1,000,000 s."""
    return Logged(
        **{
            "id": "req-1",
            "at": 1_000_000.0,
            "tenant": "acme",
            "namespace": "default",
            "model": "m",
            "key": "a" * 64,
            "status": Status.MISS,
            "reason": "no_candidate",
            "max_error": 0.01,
            "hit_similarity": 0.7,
            "embed_seconds": 0.002,
        }
        | changes
    )


def an_exact_hit(**changes: Any) -> Logged:
    """A request answered by its exact key: 12 tokens of an answer made ten minutes before."""
    found = {"tier": Tier.L1, "entry_id": "e1", "similarity": 1.0, "tokens": 12, "cost_nanos": 300}
    held = {"status": Status.HIT, "reason": "exact", "age_seconds": 600.0, "embed_seconds": None}
    return a_miss(**held | found | changes)


def a_hit_by_meaning(**changes: Any) -> Logged:
    """A request answered by meaning, within its bar."""
    judged = {"tier": Tier.L2, "reason": "verified", "similarity": 0.9, "best_similarity": 0.9, "best_error": 0.02}
    return an_exact_hit(**judged | {"bar": 0.05, "embed_seconds": 0.002, "key": "b" * 64} | changes)


def a_refusal(**changes: Any) -> Logged:
    """A request whose best candidate was above the bar."""
    return a_miss(**{"reason": "above_bar", "best_similarity": 0.85, "best_error": 0.08, "bar": 0.05} | changes)
