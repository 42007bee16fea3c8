"""The one table between entries that travel and the domain's: what is sent, and what may come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synapse.cache.v1 import transfer_pb2 as wire
from synapse_cache.adapters import messages
from synapse_cache.adapters.answers import answer_of
from synapse_cache.keys import VERSION
from synapse_cache.model import DEFAULT_NAMESPACE, Embedding, Entry
from synapse_cache.transfer.intake import Offer, Refused
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from synapse.cache.v1.entry_pb2 import Entry as WireEntry
    from synapse_cache.transfer.export import Exported
    from synapse_runtime.call import Call

_LONGEST_PROMPT = 8_000
_LONGEST_MODEL = 512
_MOST_TAGS, _LONGEST_TAG = 16, 64
_UNIT = 1e-3


def exported(one: Exported, *, vectors: bool) -> wire.ExportEntriesResponse:
    """An entry on its way out, with the version of its key."""
    known = one.embedding if vectors and one.entry.prompt is not None else None
    reply = wire.ExportEntriesResponse(entry=messages.entry_of(one.entry, known.fingerprint if known else ""))
    reply.entry.key_version = VERSION
    if known is not None:
        reply.entry.vector.extend(known.vector.tolist())
    return reply


def offer_of(request: wire.ImportEntriesRequest, call: Call) -> Offer:
    """An entry on its way in, as the caller's own; raises Refused, and InvalidArgument for what concerns them all."""
    home = messages.place_of(call, request.namespace)
    seconds = request.ttl.ToNanoseconds() / 1e9 if request.HasField("ttl") else None
    if seconds is not None and seconds <= 0:
        raise InvalidArgument("ttl must be above 0", metadata={"field": "ttl"})
    if request.unreadable:
        raise Refused(request.unreadable)
    came = request.entry
    _check_version(came)
    try:
        messages.check_key(came.key)
        if came.scope or not came.exact_only:
            messages.check_key(came.scope)
        own = messages.place_of(call, came.namespace)
    except InvalidArgument as error:
        raise Refused(error.message.removeprefix("control.")) from error
    _check_texts(came)
    if not came.HasField("create_time"):
        raise Refused("it does not tell when it was made")
    answer = answer_of(came.generation)
    entry = Entry(
        id="",
        key=came.key,
        scope=came.scope,
        tenant=home.tenant,
        namespace=(home if request.namespace else own).namespace or DEFAULT_NAMESPACE,
        epoch=0,
        model=came.model,
        prompt=None if came.exact_only else came.prompt,
        answer=answer.payload,
        tokens=answer.tokens,
        created_at=_seconds(came.create_time),
        expires_at=_seconds(came.expire_time),
        semantic_expires_at=_seconds(came.semantic_expire_time),
        tags=tuple(came.tags),
        cost_nanos=max(0, came.cost_nanos),
        made_in_seconds=max(0.0, came.made_in_ms / 1000),
    )
    return Offer(entry, answer, _embedding(came), seconds)


def _check_version(came: WireEntry) -> None:
    if not came.key_version:
        raise Refused("it does not tell the version of its key (key_version)")
    if came.key_version != VERSION:
        message = f"its key is of version {came.key_version}, keys here are of version {VERSION}: it would never be met"
        raise Refused(message)


def _check_texts(came: WireEntry) -> None:
    if not 0 < len(came.model) <= _LONGEST_MODEL:
        raise Refused(f"model must have 1 to {_LONGEST_MODEL} characters")
    if not came.exact_only and not 0 < len(came.prompt) <= _LONGEST_PROMPT:
        raise Refused(f"prompt must have 1 to {_LONGEST_PROMPT} characters, or the entry be exact_only")
    if len(came.tags) > _MOST_TAGS or any(not 0 < len(tag) <= _LONGEST_TAG for tag in came.tags):
        raise Refused(f"tags: at most {_MOST_TAGS} of 1 to {_LONGEST_TAG} characters")


def _embedding(came: WireEntry) -> Embedding | None:
    """The vector that came along, if it is one of unit length."""
    if not came.vector or not came.embedder:
        return None
    vector = np.array(came.vector, dtype=np.float32)
    length = float(np.linalg.norm(vector))
    return Embedding(vector, came.embedder) if abs(length - 1) <= _UNIT else None


def _seconds(stamp: Timestamp) -> float:
    return float(stamp.seconds + stamp.nanos / 1e9)
