"""The JSON object in the body of a request."""

from __future__ import annotations

from typing import Any

from synapse_gateway.problems import invalid
from synapse_runtime import jsontext


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a request's body; raises Problem 400 when it is none."""
    try:
        value = jsontext.load(raw)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body of the request is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise invalid("The body of the request must be a JSON object.", code="invalid_json")
    return value
