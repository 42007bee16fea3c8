"""What the cache tells of a request: made of what a lookup found and of what became of the call to a backend."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache.model import Hit, Miss, Outcome, Status, Tier

if TYPE_CHECKING:
    from synapse_cache.flights.calls import Landed, Trip
    from synapse_cache.lookup import Found
    from synapse_cache.model import Policy, Question


def asked_outcome(question: Question, found: Found, policy: Policy, *, seconds: float, now: float) -> Outcome:
    """As `outcome_of`, of a request that may bypass the cache or only watch it."""
    outcome = outcome_of(question, found, seconds=seconds, now=now)
    if question.uncacheable_reason or policy.skip:
        return replace(outcome, status=Status.BYPASS)
    if policy.passthrough:
        return replace(
            outcome, status=Status.BYPASS, reason=f"passthrough_{outcome.reason}", tokens_saved=0, cost_saved_nanos=0
        )
    return outcome


def riding_outcome(outcome: Outcome, trip: Trip) -> Outcome:
    """`outcome` of a request whose answer begins to arrive, or is there already."""
    landed = trip.flight.brought
    if landed is not None:
        return landed_outcome(outcome, trip, landed)
    return replace(outcome, collapsed=not trip.leads, shared=trip.leads and trip.flight.joined > 0, stored=trip.stores)


def landed_outcome(outcome: Outcome, trip: Trip, landed: Landed) -> Outcome:
    """`outcome` of a request that a backend has answered since."""
    return replace(
        outcome,
        stored=landed.entry is not None,
        entry_id=landed.entry.id if landed.entry is not None else "",
        collapsed=landed.elsewhere or not trip.leads,
        shared=trip.leads and trip.flight.joined > 0 and not landed.elsewhere,
    )


def outcome_of(question: Question, found: Found, *, seconds: float, now: float) -> Outcome:
    """What a lookup of `seconds` says; `now` is in seconds since the epoch."""
    result = found.result
    if isinstance(result, Miss) or found.shadow:
        return Outcome(
            Status.MISS,
            "shadow" if found.shadow else result.reason,
            question.key,
            latency_seconds=seconds,
            embed_seconds=found.embed_seconds,
            considered=result.considered,
            shadow=found.shadow,
        )
    entry = result.entry
    expires_at = entry.semantic_expires_at if result.tier is Tier.L2 else entry.expires_at
    return Outcome(
        Status.HIT,
        result.reason,
        question.key,
        tier=result.tier,
        entry_id=entry.id,
        similarity=result.similarity,
        age_seconds=max(0.0, now - entry.created_at),
        ttl_seconds=expires_at - now if result.stale else max(0.0, expires_at - now),
        tokens_saved=entry.tokens,
        cost_saved_nanos=entry.cost_nanos,
        latency_seconds=seconds,
        embed_seconds=found.embed_seconds,
        considered=result.considered,
        probability=_probability(result),
        stale=result.stale,
    )


def _probability(hit: Hit) -> float | None:
    """That the answer is right, where the decision said so."""
    return next((one.probability for one in hit.considered if one.entry_id == hit.entry.id), None)
