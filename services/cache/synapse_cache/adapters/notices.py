"""Notices of the invalidation trail as JSON."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import orjson

from synapse_cache.invalidation.conditions import Conditions, Likeness, Ref
from synapse_cache.invalidation.trail import Notice, Order, Phase
from synapse_cache.model import Embedding


class CorruptNotice(ValueError):
    """The bytes are no notice that this version can read."""


def encode(notice: Notice) -> bytes:
    """The notice as bytes, without its id."""
    order, conditions = notice.order, notice.order.conditions
    said: dict[str, Any] = {
        "phase": notice.phase,
        "origin": notice.origin,
        "epoch": notice.epoch,
        "removed": notice.removed,
        "refs": [(ref.id, ref.key, ref.namespace, ref.epoch) for ref in notice.refs],
        "uid": order.uid,
        "at": order.at,
        "tenant": order.tenant,
        "actor": order.actor,
        "reason": order.reason,
        "id": conditions.id,
        "key": conditions.key,
        "namespace": conditions.namespace,
        "tag": conditions.tag,
        "model": conditions.model,
        "created_before": conditions.created_before,
    }
    if conditions.likeness is not None:
        said["like"] = _likeness_said(conditions.likeness, whole=notice.phase is Phase.ORDERED)
    return orjson.dumps(said)


def decode(data: bytes, notice_id: str) -> Notice:
    """The notice in `data`; raises CorruptNotice. Members that a later version may have added are left out."""
    try:
        said = orjson.loads(data)
        conditions = Conditions(
            said["id"],
            said["key"],
            said["namespace"],
            said["tag"],
            said["model"],
            said["created_before"],
            _likeness(said["like"]) if "like" in said else None,
        )
        order = Order(said["uid"], float(said["at"]), said["tenant"], said["actor"], conditions, said["reason"])
        phase, refs = Phase(said["phase"]), tuple(Ref(*ref) for ref in said["refs"])
        return Notice(phase, order, said["origin"], int(said["epoch"]), int(said["removed"]), refs, notice_id)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptNotice(str(error)) from error


def _likeness_said(likeness: Likeness, *, whole: bool) -> dict[str, Any]:
    said = {"text": likeness.text, "min": likeness.min_similarity, "space": likeness.embedding.fingerprint}
    if whole:
        vector = likeness.embedding.vector.astype("<f4").tobytes()
        said["vector"] = base64.b64encode(vector).decode()
    return said


def _likeness(said: dict[str, Any]) -> Likeness:
    vector = np.frombuffer(base64.b64decode(said.get("vector", "")), "<f4")
    return Likeness(said["text"], Embedding(vector, said["space"]), float(said["min"]))
