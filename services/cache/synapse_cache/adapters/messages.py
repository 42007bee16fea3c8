"""The one table between the wire's cache messages and the domain: what the caller wants, what the cache did."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from synapse.cache.v1 import explain_pb2, outcome_pb2
from synapse.cache.v1.entry_pb2 import Entry as WireEntry
from synapse_cache.model import Caller, Outcome, Place, Policy, Status, Tier
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from synapse.llm.v1.request_pb2 import GenerationRequest
    from synapse_cache.model import Considered, Entry
    from synapse_runtime.call import Call

_STATUSES = {
    Status.HIT: outcome_pb2.CACHE_STATUS_HIT,
    Status.MISS: outcome_pb2.CACHE_STATUS_MISS,
    Status.BYPASS: outcome_pb2.CACHE_STATUS_BYPASS,
}
_TIERS = {Tier.L0: outcome_pb2.CACHE_TIER_L0, Tier.L1: outcome_pb2.CACHE_TIER_L1, Tier.L2: outcome_pb2.CACHE_TIER_L2}
_NAMESPACE = re.compile(r"[\w.:/@-]{1,128}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{64}")
_MOST_TAGS = 16
_LONGEST_TAG = 64


def caller_of(call: Call) -> Caller:
    """On whose behalf `call` is served."""
    identity = call.identity
    return Caller(identity.tenant, identity.subject, identity.role, call.request_id, call.traceparent)


def place_of(call: Call, namespace: str) -> Place:
    """The part of the cache that `call` may use."""
    return Place(call.identity.tenant, check_namespace(namespace)) if namespace else Place(call.identity.tenant)


def check_namespace(namespace: str) -> str:
    """The namespace, or InvalidArgument when it is none."""
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidArgument(
            "control.namespace must be 1 to 128 of A-Z a-z 0-9 . _ : / @ -", metadata={"field": "namespace"}
        )
    return namespace


def policy_of(control: outcome_pb2.CacheControl) -> Policy:
    """What the caller wants; raises InvalidArgument naming the field."""
    if not control.ListFields():
        return _DEFAULT
    if len(control.tags) > _MOST_TAGS or any(not 0 < len(tag) <= _LONGEST_TAG for tag in control.tags):
        raise InvalidArgument("control.tags: at most 16 of 1 to 64 characters", metadata={"field": "tags"})
    max_error = control.max_error if control.HasField("max_error") else None
    if max_error is not None and not 0 <= max_error <= 1:
        raise InvalidArgument("control.max_error must lie between 0 and 1", metadata={"field": "max_error"})
    return Policy(
        skip=control.skip,
        no_cache=control.no_cache,
        no_store=control.no_store,
        only_if_cached=control.only_if_cached,
        max_age_seconds=_seconds(control.max_age, "max_age") if control.HasField("max_age") else None,
        ttl_seconds=_seconds(control.ttl, "ttl") if control.HasField("ttl") else None,
        tags=tuple(control.tags),
        max_error=max_error,
        preview=control.preview,
        passthrough=control.passthrough,
        stale_if_error_seconds=(
            _seconds(control.stale_if_error, "stale_if_error") if control.HasField("stale_if_error") else None
        ),
    )


def candidate_of(considered: Considered) -> explain_pb2.Candidate:
    """A candidate as the wire shows it."""
    return explain_pb2.Candidate(
        entry_id=considered.entry_id,
        similarity=considered.similarity,
        veto=considered.veto,
        probability=considered.probability,
        score=considered.score,
        prompt=considered.prompt,
        reason=considered.reason,
        doubt=considered.doubt,
    )


def check_request(request: GenerationRequest) -> None:
    """Raise InvalidArgument unless `request` asks a model something."""
    if not request.model:
        raise InvalidArgument("request.model is missing", metadata={"field": "model"})
    if not request.messages and not (request.prompt.texts or request.prompt.token_ids):
        raise InvalidArgument("request has neither messages nor a prompt", metadata={"field": "messages"})


def check_key(key: str) -> str:
    """The key, or InvalidArgument when it is none."""
    if not _KEY.fullmatch(key):
        raise InvalidArgument("key must be 64 lower-case hexadecimal digits", metadata={"field": "key"})
    return key


def outcome_of(outcome: Outcome) -> outcome_pb2.Outcome:
    """The domain's outcome as the wire's."""
    reply = outcome_pb2.Outcome(
        status=_STATUSES[outcome.status],
        reason=outcome.reason,
        entry_id=outcome.entry_id,
        key=outcome.key,
        stored=outcome.stored,
        collapsed=outcome.collapsed,
        shared=outcome.shared,
        tokens_saved=outcome.tokens_saved,
        cost_saved_nanos=outcome.cost_saved_nanos,
        stale=outcome.stale,
        shadow=outcome.shadow,
    )
    reply.latency.FromNanoseconds(int(outcome.latency_seconds * 1e9))
    if outcome.tier is not None:
        reply.tier = _TIERS[outcome.tier]
    if outcome.similarity is not None:
        reply.similarity = outcome.similarity
    if outcome.probability is not None:
        reply.probability = outcome.probability
    if outcome.age_seconds is not None:
        reply.age.FromNanoseconds(int(outcome.age_seconds * 1e9))
    if outcome.ttl_seconds is not None:
        reply.ttl.FromNanoseconds(int(outcome.ttl_seconds * 1e9))
    if outcome.embed_seconds is not None:
        reply.embed_latency.FromNanoseconds(int(outcome.embed_seconds * 1e9))
    return reply


def metadata_of(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The outcome as gRPC metadata, for clients that look there."""
    status = outcome.status.upper() if outcome.tier is None else f"{outcome.status.upper()}-{outcome.tier}"
    pairs = [("x-synapse-cache-status", status), ("x-synapse-reason", outcome.reason)]
    if outcome.entry_id:
        pairs.append(("x-synapse-entry-id", outcome.entry_id))
    if outcome.similarity is not None:
        pairs.append(("x-synapse-similarity", f"{outcome.similarity:.4f}"))
    if outcome.probability is not None:
        pairs.append(("x-synapse-probability", f"{outcome.probability:.4f}"))
    return tuple(pairs)


def entry_of(entry: Entry, embedder: str) -> WireEntry:
    """A stored entry as the wire shows it; the vector is left out."""
    reply = WireEntry(
        id=entry.id,
        key=entry.key,
        scope=entry.scope,
        tenant=entry.tenant,
        namespace=entry.namespace,
        model=entry.model,
        prompt=entry.prompt or "",
        tags=entry.tags,
        exact_only=entry.prompt is None,
        embedder="" if entry.prompt is None else embedder,
        epoch=entry.epoch,
        cost_nanos=entry.cost_nanos,
        made_in_ms=entry.made_in_seconds * 1000,
    )
    reply.generation.ParseFromString(entry.answer)
    reply.create_time.FromMicroseconds(int(entry.created_at * 1e6))
    reply.expire_time.FromMicroseconds(int(entry.expires_at * 1e6))
    if entry.prompt is not None:
        reply.semantic_expire_time.FromMicroseconds(int(entry.semantic_expires_at * 1e6))
    if entry.stale_until:
        reply.stale_expire_time.FromMicroseconds(int(entry.stale_until * 1e6))
    return reply


def _seconds(duration: Duration, field: str) -> float:
    seconds = duration.ToNanoseconds() / 1e9
    if seconds < 0:
        raise InvalidArgument(f"control.{field} must not be negative", metadata={"field": field})
    return seconds


_DEFAULT = Policy()
