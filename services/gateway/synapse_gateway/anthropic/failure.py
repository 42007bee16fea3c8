"""Errors and the headers of every reply in Anthropic's form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from synapse_gateway.limits import Level
from synapse_gateway.problems import JSON_TYPE, error_object, is_anthropic

if TYPE_CHECKING:
    from synapse_gateway.problems import Headers, Problem

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicForm:
    """Anthropic's error object, `request-id` and `anthropic-ratelimit-*`."""

    limits: ClassVar[bytes] = b"anthropic-ratelimit-"

    def headers(self, request_id: str, seconds: float, levels: Sequence[Level], *, now: float) -> Headers:  # noqa: ARG002  # Form
        """The headers of every reply; limits are full again at a time in RFC 3339."""
        given = request_id.encode()
        made = [(b"request-id", given), (b"x-request-id", given)]
        for level in levels:
            name = self.limits + level.kind.encode()
            reset = datetime.fromtimestamp(math.ceil(now + level.reset_seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            made += (
                (name + b"-limit", b"%d" % level.limit),
                (name + b"-remaining", b"%d" % level.remaining),
                (name + b"-reset", reset.encode()),
            )
        return made

    def error(self, problem: Problem, request_id: str) -> tuple[bytes, bytes]:
        """The error's body: a backend's own where it is Anthropic's."""
        told = error_object(problem.told)
        if told is not None and problem.told and is_anthropic(told):
            return problem.told, problem.told_type
        return orjson.dumps({**_object(problem), "request_id": request_id}), JSON_TYPE


def event(problem: Problem) -> bytes:
    """The error as an event of a stream that has begun already."""
    told = error_object(problem.told)
    if told is None or not is_anthropic(told):
        told = _object(problem)
    return b"event: error\ndata: %b\n\n" % orjson.dumps(told)


def _object(problem: Problem) -> dict[str, Any]:
    kind = _KINDS.get(problem.status) or ("invalid_request_error" if problem.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": problem.message}}
