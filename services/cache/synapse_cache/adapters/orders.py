"""The one table between the wire's invalidations and the domain's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from synapse.cache.v1 import invalidation_pb2 as wire
from synapse_cache.adapters import messages
from synapse_cache.invalidation.conditions import Conditions
from synapse_cache.model import DEFAULT_NAMESPACE
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from synapse_cache.invalidation.invalidation import Carried
    from synapse_cache.invalidation.trail import Notice, Order

MIN_SIMILARITY = 0.9
_LONGEST = {"id": 128, "tag": 64, "model": 256, "similar_to": 16_384, "reason": 256, "tenant": 256}
_NARROWING = ("id", "key", "namespace", "tag", "model", "older_than", "similar_to")
_NOTICE_ID = re.compile(r"\d{1,19}(-\d{1,19})?")


def conditions_of(request: wire.InvalidateRequest, *, now: float) -> Conditions:
    """The conditions of a request, likeness apart; raises InvalidArgument naming the field."""
    for name, most in _LONGEST.items():
        if len(getattr(request, name)) > most:
            raise _wrong(name, f"{name}: at most {most} characters")
    given = [name for name in _NARROWING if _is_given(request, name)]
    if request.all and given:
        raise _wrong("all", f"all takes no condition beside it: leave out {given[0]}")
    if not request.all and not given:
        raise _wrong("id", "give a condition: id, key, namespace, tag, model, older_than, similar_to, or all")
    if request.HasField("min_similarity") and not (request.similar_to and 0 <= request.min_similarity <= 1):
        raise _wrong("min_similarity", "min_similarity goes with similar_to and lies between 0 and 1")
    namespace = request.namespace or (DEFAULT_NAMESPACE if request.key else None)
    return Conditions(
        id=request.id,
        key=messages.check_key(request.key) if request.key else "",
        namespace=messages.check_namespace(namespace) if namespace is not None else None,
        tag=request.tag,
        model=request.model,
        created_before=now - _age(request) if request.HasField("older_than") else None,
    )


def min_similarity_of(request: wire.InvalidateRequest) -> float:
    """How similar to `similar_to` is similar."""
    return request.min_similarity if request.HasField("min_similarity") else MIN_SIMILARITY


def check_notice_id(text: str, field: str) -> str:
    """The id of a notice, or nothing; raises InvalidArgument for what is none."""
    if text and not _NOTICE_ID.fullmatch(text):
        raise _wrong(field, f"{field} is none that was given out")
    return text


def response_of(carried: Carried) -> wire.InvalidateResponse:
    """What an invalidation did, or would do."""
    return wire.InvalidateResponse(
        removed=carried.removed,
        matched=carried.matched,
        sample_ids=carried.sample,
        invalidation_id=carried.notice_id,
    )


def invalidation_of(notice: Notice) -> wire.Invalidation:
    """A notice of the trail as the wire tells it."""
    order = notice.order
    reply = wire.Invalidation(
        id=notice.id,
        tenant=order.tenant,
        actor=order.actor,
        conditions=_request_of(order),
        removed=notice.removed,
        keys=[ref.key for ref in notice.refs],
        entry_ids=[ref.id for ref in notice.refs],
        namespace=order.conditions.namespace or "",
    )
    reply.time.FromMicroseconds(int(order.at * 1e6))
    return reply


def _request_of(order: Order) -> wire.InvalidateRequest:
    asked = order.conditions
    request = wire.InvalidateRequest(
        id=asked.id,
        key=asked.key,
        namespace=asked.namespace or "",
        tag=asked.tag,
        model=asked.model,
        all=asked == Conditions(),
        tenant=order.tenant,
        reason=order.reason,
    )
    if asked.created_before is not None:
        request.older_than.FromMilliseconds(round((order.at - asked.created_before) * 1000))
    if asked.likeness is not None:
        request.similar_to = asked.likeness.text
        request.min_similarity = asked.likeness.min_similarity
    return request


def _is_given(request: wire.InvalidateRequest, name: str) -> bool:
    return request.HasField("older_than") if name == "older_than" else bool(getattr(request, name))


def _age(request: wire.InvalidateRequest) -> float:
    seconds = request.older_than.ToNanoseconds() / 1e9
    if seconds < 0:
        raise _wrong("older_than", "older_than must not be negative")
    return seconds


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, metadata={"field": field})
