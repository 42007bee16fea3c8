"""A re-embedding's plan and what replicas tell of it, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from synapse_cache.adapters.rejected import reject
from synapse_cache.reembedding.reembedding import Plan, Progress, Space, Stage


def encode(value: Plan | Progress) -> bytes:
    """`value` as JSON."""
    return json.dumps(asdict(value)).encode()


def plan_of(raw: bytes) -> Plan | None:
    """The plan in `raw`; None, counted and logged, for what is none."""
    try:
        members: dict[str, Any] = json.loads(raw)
        old, new = Space(**members.pop("old")), Space(**members.pop("new"))
        return Plan(stage=Stage(members.pop("stage")), old=old, new=new, **members)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reject("redis", "corrupt", f"a re-embedding: {error}")
        return None


def progress_of(raw: bytes) -> Progress | None:
    """What a replica told in `raw`; None, counted and logged, for what is nothing of the kind."""
    try:
        return Progress(**json.loads(raw))
    except (ValueError, TypeError) as error:
        reject("redis", "corrupt", f"a replica's word on a re-embedding: {error}")
        return None
