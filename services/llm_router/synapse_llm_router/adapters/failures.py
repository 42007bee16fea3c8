"""Failures of a backend as errors of the mesh's tree: its own answer kept exactly, ours named.

| what happened                     | error                           | reason               | http_status |
|-----------------------------------|---------------------------------|----------------------|-------------|
| answered 400, 413, 422, other 4xx | InvalidArgument                 | PROVIDER_ERROR       | its own     |
| answered 401, 402, 403: our key   | FailedPrecondition              | PROVIDER_ERROR       | its own     |
| answered 404                      | NotFound                        | PROVIDER_ERROR       | its own     |
| answered 408, 504                 | DeadlineExceeded                | PROVIDER_ERROR       | its own     |
| answered 409, 429                 | ResourceExhausted               | PROVIDER_ERROR       | its own     |
| answered 424, another 5xx         | Unavailable                     | PROVIDER_ERROR       | its own     |
| an error inside a stream          | by code or type, or Unavailable | PROVIDER_ERROR       | 200         |
| the stream or body broke off      | Unavailable                     | UPSTREAM_TRUNCATED   | 502         |
| not an answer in its wire's form  | Unavailable                     | UPSTREAM_INVALID     | 502         |
| longer than allowed               | Unavailable                     | UPSTREAM_TOO_LARGE   | 502         |
| no connection                     | Unavailable                     | UPSTREAM_UNREACHABLE | no detail   |
| all connections taken             | ResourceExhausted               | UPSTREAM_BUSY        | no detail   |
| late                              | DeadlineExceeded                | UPSTREAM_TIMEOUT     | no detail   |

The last column is `ProviderError.http_status`; where it is the backend's own, or 200, the body is there as it came.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from synapse.router.v1.router_pb2 import ProviderError
from synapse_runtime import errors

MAX_BODY_BYTES = 64 * 1024
PROVIDER_ERROR = "PROVIDER_ERROR"
_MAX_MESSAGE = 500
_BAD_GATEWAY = 502
_KEPT_HEADERS = frozenset({"retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "request-id"})
_KEPT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
_KINDS: dict[int, type[errors.SynapseError]] = {
    401: errors.FailedPrecondition,
    402: errors.FailedPrecondition,
    403: errors.FailedPrecondition,
    404: errors.NotFound,
    408: errors.DeadlineExceeded,
    409: errors.ResourceExhausted,
    424: errors.Unavailable,  # TGI: the generation failed
    429: errors.ResourceExhausted,
    504: errors.DeadlineExceeded,
}

_STATUS_OF_TYPES = {
    "validation": 422,
    "generation": 424,
    "overloaded": 429,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The statuses that kinds of errors stand for where they come without a code, inside a stream: TGI's, Anthropic's."""


class Malformed(Exception):
    """What a backend sent has not the form of its protocol."""


def answered(backend: str, status: int, body: bytes, headers: Mapping[str, str], *, now: float) -> errors.SynapseError:
    """The error for an answer of HTTP `status`; `now` in seconds since 1970 makes dates of retry-after relative."""
    kept = _kept(headers)
    detail = ProviderError(
        backend=backend,
        http_status=status,
        body=_body_text(body),
        content_type=headers.get("content-type", ""),
        headers=kept,
    )
    message = _message(body) or f"the backend answered with status {status}"
    return _provider_error(status, message, detail, retry_after_seconds=_retry_after(kept, now))


def inside_stream(backend: str, event: bytes, headers: Mapping[str, str]) -> errors.SynapseError:
    """The error for an error object that came as an event of a stream."""
    detail = ProviderError(
        backend=backend,
        http_status=200,
        body=_body_text(event),
        content_type="application/json",
        headers=_kept(headers),
    )
    return _provider_error(_code(event), _message(event) or "the backend failed inside its answer", detail)


def truncated(backend: str) -> errors.SynapseError:
    """The error for an answer that broke off."""
    return _bad_gateway(backend, "UPSTREAM_TRUNCATED", "the backend's answer broke off before its end")


def invalid(backend: str, what: str) -> errors.SynapseError:
    """The error for something that is no answer in the form of the backend's wire."""
    return _bad_gateway(backend, "UPSTREAM_INVALID", f"the backend's answer cannot be understood: {what}")


@contextmanager
def misreading(backend: str) -> Iterator[None]:
    """Turn Malformed inside the block into the error for an answer that cannot be understood."""
    try:
        yield
    except Malformed as error:
        raise invalid(backend, str(error)) from error


def too_large(backend: str, limit: int) -> errors.SynapseError:
    """The error for an answer or event of more than `limit` bytes."""
    return _bad_gateway(backend, "UPSTREAM_TOO_LARGE", f"the backend's answer is larger than {limit} bytes")


def unreachable(backend: str, what: str) -> errors.SynapseError:
    """The error for a backend that takes no connection."""
    return errors.Unavailable(
        f"the backend {backend!r} cannot be reached: {what}",
        reason="UPSTREAM_UNREACHABLE",
        metadata={"backend": backend},
    )


def busy(backend: str) -> errors.SynapseError:
    """The error for a backend whose connections stayed all taken."""
    return errors.ResourceExhausted(
        f"all connections to the backend {backend!r} are taken",
        reason="UPSTREAM_BUSY",
        metadata={"backend": backend},
        retry_after_seconds=1.0,
    )


def late(backend: str, phase: str) -> errors.SynapseError:
    """The error for a backend that took too long in `phase`: first_byte, between_events, total; caller: its time."""
    return errors.DeadlineExceeded(
        f"the backend {backend!r} did not answer in time ({phase})",
        reason="UPSTREAM_TIMEOUT",
        metadata={"backend": backend, "phase": phase},
    )


def is_error(chunk: Any) -> bool:
    """Whether the JSON value is an error object in one of the forms that backends use."""
    return isinstance(chunk, dict) and (chunk.get("error") is not None or chunk.get("object") == "error")


def _provider_error(
    status: int, message: str, detail: ProviderError, *, retry_after_seconds: float | None = None
) -> errors.SynapseError:
    kind = _KINDS.get(status) or (errors.InvalidArgument if 400 <= status < 500 else errors.Unavailable)
    return kind(
        message[:_MAX_MESSAGE],
        reason=PROVIDER_ERROR,
        metadata={"backend": detail.backend, "http_status": str(detail.http_status)},
        retry_after_seconds=retry_after_seconds,
        details=(detail,),
    )


def _bad_gateway(backend: str, reason: str, message: str) -> errors.SynapseError:
    return errors.Unavailable(
        message[:_MAX_MESSAGE],
        reason=reason,
        metadata={"backend": backend},
        details=(ProviderError(backend=backend, http_status=_BAD_GATEWAY),),
    )


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    lowered = ((name.lower(), value) for name, value in headers.items())
    return {name: value for name, value in lowered if name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIXES)}


def _body_text(body: bytes) -> str:
    if len(body) <= MAX_BODY_BYTES:
        return body.decode("utf-8", "replace")
    return body[:MAX_BODY_BYTES].decode("utf-8", "ignore")


def _error_object(body: bytes) -> dict[str, Any] | None:
    """What says more about an error: the member `error` of a JSON object, else the object itself."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    return error if isinstance(error, dict) else {**value, "message": error or value.get("message")}


def _message(body: bytes) -> str:
    error = _error_object(body)
    text = error.get("message") or error.get("detail") if error else None
    return text if isinstance(text, str) else ""


def _code(event: bytes) -> int:
    error = _error_object(event) or {}
    for name in ("code", "http_status_code"):
        code = error.get(name)
        if isinstance(code, int) and 400 <= code < 600:
            return code
    return _STATUS_OF_TYPES.get(str(error.get("error_type") or error.get("type")), 500)


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after", "")
        if not text:
            return None
        if text.replace(".", "", 1).isdigit():
            return float(text)
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None
