"""The JSON object in the body of a request."""

from __future__ import annotations

from typing import Any

from synapse_gateway.problems import Problem, invalid
from synapse_runtime import jsontext

_DEEPEST = 200
"""Most lists and objects within each other: what writes JSON further on ends at 254."""


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises Problem 400 when it is none."""
    try:
        value = jsontext.load(raw)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise invalid("The body of the request must be a JSON object.", code="invalid_json")
    if raw.count(b"[") + raw.count(b"{") > _DEEPEST and _is_deep(value):
        raise _too_deep()
    return value


def _too_deep() -> Problem:
    message = f"The body of the request has more than {_DEEPEST} lists and objects within each other."
    return invalid(message, code="invalid_json")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        level = [one for one in inner if isinstance(one, dict | list)]
        if not level:
            return False
    return True
