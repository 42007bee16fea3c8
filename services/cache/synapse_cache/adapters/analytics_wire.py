"""The one table between the domain's log, savings and projections, and the wire's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from synapse.cache.v1 import analytics_pb2, outcome_pb2, thresholds_pb2
from synapse_cache.adapters.messages import outcome_of
from synapse_cache.analytics.savings import Account, Saved
from synapse_cache.model import Outcome, Status, Tier
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from synapse_cache.analytics.request_log import Logged
    from synapse_cache.analytics.simulation import Projection

_MOST_ROWS = 1_000
STATUSES = {
    outcome_pb2.CACHE_STATUS_HIT: Status.HIT,
    outcome_pb2.CACHE_STATUS_MISS: Status.MISS,
    outcome_pb2.CACHE_STATUS_BYPASS: Status.BYPASS,
}
TIERS = {outcome_pb2.CACHE_TIER_L0: Tier.L0, outcome_pb2.CACHE_TIER_L1: Tier.L1, outcome_pb2.CACHE_TIER_L2: Tier.L2}


def log_of(one: Logged, *, similarity: float | None = None) -> analytics_pb2.RequestLog:
    """A logged request; `similarity` is that to the request asked about."""
    reply = analytics_pb2.RequestLog(
        id=one.id,
        tenant=one.tenant,
        namespace=one.namespace,
        model=one.model,
        outcome=outcome_of(_outcome(one)),
        probability=None if one.best_error is None else 1 - one.best_error,
        prompt=one.prompt,
        shadow=one.shadow,
        similarity=similarity,
        best_similarity=one.best_similarity,
        best_veto=one.best_veto,
        bar=one.bar,
        max_error=one.max_error,
    )
    reply.time.FromMicroseconds(int(one.at * 1e6))
    return reply


def savings_of(found: Mapping[Account, Saved]) -> analytics_pb2.GetSavingsResponse:
    """Savings in all, by tenant and model, and by day."""
    rows = _summed(found, lambda account: (account.tenant, account.model))
    days = _summed(found, lambda account: (account.day,))
    largest = sorted(rows.items(), key=lambda row: (-row[1].cost_nanos, -row[1].tokens, -row[1].hits, row[0]))
    reply = analytics_pb2.GetSavingsResponse(total=_savings(sum(found.values(), Saved())))
    reply.by_model.extend(_savings(saved, tenant=row[0], model=row[1]) for row, saved in largest[:_MOST_ROWS])
    reply.by_day.extend(_savings(saved, day=row[0]) for row, saved in sorted(days.items()))
    return reply


def projection_of(projection: Projection) -> thresholds_pb2.Projection:
    """A projection."""
    return thresholds_pb2.Projection(
        requests=projection.requests,
        hits_exact=projection.hits_exact,
        hits_semantic=projection.hits_semantic,
        hit_rate=projection.hit_rate,
        tokens_saved=projection.tokens,
        cost_saved=projection.cost_nanos / 1e9,
        expected_error=projection.expected_error,
        error_bound=projection.error_bound,
    )


def window_of(window: Duration) -> float:
    """Seconds of a window; raises InvalidArgument for one that is negative."""
    seconds = window.ToNanoseconds() / 1e9
    if seconds < 0:
        raise InvalidArgument("window must not be negative", metadata={"field": "window"})
    return seconds


def _outcome(one: Logged) -> Outcome:
    return Outcome(
        one.status,
        one.reason,
        one.key,
        tier=one.tier if one.hit else None,
        entry_id=one.entry_id,
        similarity=one.similarity,
        age_seconds=one.age_seconds,
        ttl_seconds=one.ttl_seconds,
        tokens_saved=one.tokens if one.hit else 0,
        cost_saved_nanos=one.cost_nanos if one.hit else 0,
        latency_seconds=one.latency_seconds,
        embed_seconds=one.embed_seconds,
        probability=None if one.best_error is None or not one.hit else 1 - one.best_error,
        stale=one.stale,
        shadow=one.shadow,
    )


def _summed(
    found: Mapping[Account, Saved], row_of: Callable[[Account], tuple[str, ...]]
) -> dict[tuple[str, ...], Saved]:
    rows: dict[tuple[str, ...], Saved] = {}
    for account, saved in found.items():
        row = row_of(account)
        rows[row] = rows.get(row, Saved()) + saved
    return rows


def _savings(saved: Saved, *, tenant: str = "", model: str = "", day: str = "") -> analytics_pb2.Savings:
    return analytics_pb2.Savings(
        tenant=tenant,
        model=model,
        day=day,
        requests=saved.requests,
        hits=saved.hits,
        tokens_saved=saved.tokens,
        cost_saved=saved.cost_nanos / 1e9,
        milliseconds_saved=saved.micros / 1e3,
    )
