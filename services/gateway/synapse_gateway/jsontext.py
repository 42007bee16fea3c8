"""JSON text that keeps what it is given: integers of any size stay integers, members keep their order."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from synapse_gateway.problems import invalid

_LONG_INTEGER = re.compile(rb"\d{19}")


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises Problem 400 when it is none."""
    try:
        value = orjson.loads(raw)  # first, for it refuses what is no Unicode text
        if _LONG_INTEGER.search(raw):
            value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise invalid("The body of the request must be a JSON object.", code="invalid_json")
    return value


def load(text: str) -> Any:
    """The value of JSON text that was kept."""
    if _LONG_INTEGER.search(text.encode()):
        return json.loads(text)
    return orjson.loads(text)


def dump(value: object) -> str:
    """`value` as JSON text."""
    return encode(value).decode()


def encode(value: object) -> bytes:
    """`value` as JSON bytes."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
