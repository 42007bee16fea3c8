"""Errors and the headers of every reply in OpenAI's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from synapse_gateway.limits import Level, duration_text
from synapse_gateway.problems import JSON_TYPE, error_object, is_anthropic

if TYPE_CHECKING:
    from synapse_gateway.problems import Headers, Problem


class OpenAIForm:
    """OpenAI's error object, `x-request-id` and `x-ratelimit-*`."""

    limits: ClassVar[bytes] = b"x-ratelimit-"

    def headers(self, request_id: str, seconds: float, levels: Sequence[Level], *, now: float) -> Headers:  # noqa: ARG002  # Form
        """The headers of every reply."""
        made = [(b"x-request-id", request_id.encode()), (b"openai-processing-ms", b"%d" % (seconds * 1000))]
        for level in levels:
            kind = level.kind.encode()
            made += (
                (b"x-ratelimit-limit-" + kind, b"%d" % level.limit),
                (b"x-ratelimit-remaining-" + kind, b"%d" % level.remaining),
                (b"x-ratelimit-reset-" + kind, duration_text(level.reset_seconds).encode()),
            )
        return made

    def error(self, problem: Problem, request_id: str) -> tuple[bytes, bytes]:  # noqa: ARG002  # Form
        """The error's body: a backend's own unless it is of a protocol known to be another."""
        if problem.told and not _is_foreign(problem.told):
            return problem.told, problem.told_type
        return orjson.dumps(_object(problem)), JSON_TYPE


def event(problem: Problem) -> bytes:
    """The error as an event of a stream that has begun already."""
    told = error_object(problem.told)
    if told is None or is_anthropic(told) or not isinstance(told.get("error"), dict):
        told = _object(problem)
    return b"data: %b\n\n" % orjson.dumps(told)


def _object(problem: Problem) -> dict[str, Any]:
    error = {"message": problem.message, "type": problem.kind, "param": problem.param, "code": problem.code}
    return {"error": error}


def _is_foreign(told: bytes) -> bool:
    """Whether a body is Anthropic's error, or the bare `{"error": "text"}` of Ollama and TGI."""
    value = error_object(told)
    return value is not None and (is_anthropic(value) or isinstance(value.get("error"), str))
