"""JSON text that keeps what it is given: integers of any size stay integers, members keep their order."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG_INTEGER = re.compile(rb"\d{19}")


def load(text: str | bytes) -> Any:
    """The value of JSON text; raises ValueError for what is no JSON or no Unicode."""
    raw = text.encode() if isinstance(text, str) else text
    value = orjson.loads(raw)  # first, for it refuses what is no Unicode text
    return json.loads(raw) if _LONG_INTEGER.search(raw) else value


def dump(value: object) -> str:
    """`value` as JSON text."""
    return encode(value).decode()


def encode(value: object) -> bytes:
    """`value` as JSON bytes; fragments of JSON text are taken in as they are."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_value_of).encode()


def _value_of(fragment: object) -> Any:
    if isinstance(fragment, orjson.Fragment):
        return load(orjson.dumps(fragment))
    raise TypeError(f"{type(fragment).__name__} has no form in JSON")
