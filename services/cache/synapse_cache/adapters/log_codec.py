"""Logged requests as bytes: a JSON array of the fields in their order, after the number of its version."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter

import orjson

from synapse_cache.analytics.request_log import Logged
from synapse_cache.model import Status, Tier

_VERSION = 1
_FIELDS = tuple(field.name for field in fields(Logged) if field.name != "sketch")
_values = attrgetter(*_FIELDS)
_STATUS, _TIER = _FIELDS.index("status"), _FIELDS.index("tier")


class CorruptRecord(ValueError):
    """The bytes are no logged request that this version can read."""


def encode(one: Logged) -> bytes:
    """The request as bytes, without its sketch; what is not a text of Unicode in it is replaced."""
    try:
        return orjson.dumps((_VERSION, *_values(one)))
    except orjson.JSONEncodeError:  # half of a surrogate pair in a name or a prompt
        return orjson.dumps((_VERSION, *map(_clean, _values(one))))


def decode(data: bytes, sketch: bytes) -> Logged:
    """The request in `data`; raises CorruptRecord."""
    try:
        version, *values = orjson.loads(data)
        if version != _VERSION or len(values) != len(_FIELDS):
            raise CorruptRecord(f"not a record of version {_VERSION}")
        values[_STATUS] = Status(values[_STATUS])
        values[_TIER] = Tier(values[_TIER]) if values[_TIER] is not None else None
    except (ValueError, TypeError) as error:
        raise CorruptRecord(str(error)) from error
    return replace(Logged(*values), sketch=sketch)


def _clean(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
