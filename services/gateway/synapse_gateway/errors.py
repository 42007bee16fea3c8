"""The one table from the mesh's errors to the problems that callers see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
from google.protobuf import any_pb2

from synapse.router.v1 import router_pb2
from synapse_gateway.problems import JSON_TYPE, Headers, Problem, error_object, retry_headers
from synapse_runtime import errors

if TYPE_CHECKING:
    from synapse_runtime.errors import SynapseError

_ROWS: dict[type[SynapseError], tuple[int, str, str | None, str]] = {
    errors.InvalidArgument: (400, "invalid_request_error", None, "caller_invalid"),
    errors.FailedPrecondition: (400, "invalid_request_error", "failed_precondition", "caller_invalid"),
    errors.Unauthenticated: (401, "invalid_request_error", "invalid_api_key", "caller_unauthenticated"),
    errors.PermissionDenied: (403, "permission_error", "permission_denied", "policy_denied"),
    errors.NotFound: (404, "invalid_request_error", "not_found", "caller_not_found"),
    errors.ResourceExhausted: (429, "rate_limit_error", "rate_limit_exceeded", "policy_rate_limited"),
    errors.Internal: (500, "server_error", None, "synapse_internal"),
    errors.Unimplemented: (501, "server_error", "not_implemented", "synapse_unimplemented"),
    errors.Unavailable: (503, "server_error", "unavailable", "synapse_unavailable"),
    errors.DeadlineExceeded: (504, "server_error", "timeout", "synapse_timeout"),
    errors.Cancelled: (503, "server_error", "cancelled", "synapse_cancelled"),  # not by this caller: it waits still
}
_REASONS: dict[str, tuple[int, str, str | None, str]] = {
    "MODEL_NOT_FOUND": (404, "invalid_request_error", "model_not_found", "caller_not_found"),
    "ONLY_IF_CACHED_MISS": (504, "server_error", "only_if_cached_miss", "caller_only_if_cached"),
    "INSUFFICIENT_QUOTA": (429, "rate_limit_error", "insufficient_quota", "policy_quota"),
    "PROVIDER_ERROR": (502, "server_error", "provider_error", "provider_error"),
}
_PASSED_ON = re.compile(r"retry-after|retry-after-ms|x-should-retry|(x|anthropic)-ratelimit-[a-z-]+")
_REQUEST_IDS = ("x-request-id", "request-id")
_MESH_TRUST = "IDENTITY_"
_FAILURES = range(400, 600)
_ANSWERED = "PROVIDER_ERROR"
"""The backend told its failure itself; under other reasons there is no body of its own to pass on."""
_UNAVAILABLE_RETRY_SECONDS = 1.0


def to_problem(error: SynapseError) -> Problem:
    """The error as the caller sees it, with what the backend itself said."""
    provider = _provider_error(error)
    if provider is not None and provider.http_status in _FAILURES:
        return Problem(
            provider.http_status,
            error.message,
            kind=_kind(provider.http_status),
            code="provider_error",
            headers=_passed_on(provider),
            told=provider.body.encode() if error.reason == _ANSWERED else None,
            told_type=_plain(provider.content_type) or JSON_TYPE,
            fault=f"provider_{provider.http_status // 100}xx",
        )
    if error.reason.startswith(_MESH_TRUST):
        return Problem(
            500,
            "The services of the mesh do not trust each other: their mesh.secret differs.",
            kind="server_error",
            fault="synapse_trust",
        )
    return _by_table(error, provider)


def _by_table(error: SynapseError, provider: router_pb2.ProviderError | None) -> Problem:
    row = _REASONS.get(error.reason) if provider is None or not isinstance(error, _TELLING) else None
    status, kind, code, fault = row or _ROWS.get(type(error), _ROWS[errors.Internal])
    headers: Headers = []
    if error.retry_after_seconds is not None:
        headers = retry_headers(error.retry_after_seconds)
    elif status == 503:
        headers = retry_headers(_UNAVAILABLE_RETRY_SECONDS)
    return Problem(
        status,
        error.message,
        kind=kind,
        param=error.metadata.get("param"),
        code=code,
        headers=headers,
        told=_error_in_stream(provider),
        fault=fault if provider is None else f"provider_{fault.partition('_')[2]}",
    )


_TELLING = (errors.Unavailable, errors.DeadlineExceeded, errors.ResourceExhausted)
"""Kinds of error whose code says more of a backend's failure than the reason PROVIDER_ERROR does."""


def _provider_error(error: SynapseError) -> router_pb2.ProviderError | None:
    for detail in error.details:
        found = router_pb2.ProviderError()
        if isinstance(detail, any_pb2.Any) and detail.Unpack(found):
            return found
        if isinstance(detail, router_pb2.ProviderError):
            return detail
    return None


def _error_in_stream(provider: router_pb2.ProviderError | None) -> bytes | None:
    """The error object that a backend sent inside a stream, which had the status 200."""
    if provider is None:
        return None
    body = error_object(provider.body.encode())
    return orjson.dumps(body) if body is not None and isinstance(body.get("error"), dict) else None


def _kind(status: int) -> str:
    """OpenAI's type of an error that a backend answered in another protocol."""
    if status >= 500:
        return "server_error"
    return {403: "permission_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")


def _passed_on(provider: router_pb2.ProviderError) -> Headers:
    """The backend's headers that concern the caller; its request id under a name that is not ours."""
    told = {name: plain for name, value in sorted(provider.headers.items()) if (plain := _plain(value)) is not None}
    headers = [(name.encode(), plain) for name, plain in told.items() if _PASSED_ON.fullmatch(name)]
    request_id = next((told[name] for name in _REQUEST_IDS if name in told), None)
    return headers if request_id is None else [*headers, (b"x-provider-request-id", request_id)]


def _plain(value: str) -> bytes | None:
    return value.encode() if value and value.isascii() and value.isprintable() else None
