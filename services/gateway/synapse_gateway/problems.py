"""What goes wrong at the edge, whatever the protocol of the caller; its form writes it."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import orjson

Headers: TypeAlias = list[tuple[bytes, bytes]]
JSON_TYPE = b"application/json"


class Problem(Exception):
    """An error reply.

    `kind`, `param` and `code` are OpenAI's type, param and code; `told` is what a backend itself said, with its content
    type, for callers of the same protocol; `fault` says whose fault it is, for the metrics.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Headers | None = None,
        told: bytes | None = None,
        told_type: bytes = JSON_TYPE,
        fault: str = "caller_invalid",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers: Headers = headers or []
        self.told = told
        self.told_type = told_type
        self.fault = fault


def error_object(told: bytes | None) -> dict[str, Any] | None:
    """The JSON object in what a backend said; None when it said none."""
    try:
        value = orjson.loads(told or b"")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def is_anthropic(told: dict[str, Any]) -> bool:
    """Whether an error object has Anthropic's shape."""
    return told.get("type") == "error" and isinstance(told.get("error"), dict)


def invalid(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """A request that is wrong: 400."""
    return Problem(400, message, param=param, code=code)


def missing(param: str) -> Problem:
    """A required member that is not there: 400."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def wrong_type(param: str, expected: str, value: object) -> Problem:
    """A member of the wrong type: 400."""
    found = _NAMES.get(type(value), type(value).__name__)
    return invalid(f"Invalid type for '{param}': expected {expected}, got {found}.", param, "invalid_type")


_LONGEST_SDK_WAIT_SECONDS = 120
"""Beyond this the official SDKs ignore `retry-after` and try again within seconds."""


def retry_headers(seconds: float) -> Headers:
    """When to try again: whole seconds, rounded up, and milliseconds; and not at once where SDKs would not wait."""
    headers = [
        (b"retry-after", b"%d" % max(1, math.ceil(seconds))),
        (b"retry-after-ms", b"%d" % max(1, math.ceil(seconds * 1000))),
    ]
    if seconds > _LONGEST_SDK_WAIT_SECONDS:
        headers.append((b"x-should-retry", b"false"))
    return headers


def too_many(message: str, *, retry_after_seconds: float) -> Problem:
    """A limit of ours is reached: 429."""
    return Problem(
        429,
        message,
        kind="rate_limit_error",
        code="rate_limit_exceeded",
        headers=retry_headers(retry_after_seconds),
        fault="policy_rate_limited",
    )


_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}
