"""Every failure of the mesh is one problem of the edge; a backend's own words travel with it."""

from __future__ import annotations

import json

import pytest
from google.protobuf import any_pb2

from synapse.router.v1 import router_pb2
from synapse_gateway.errors import to_problem
from synapse_gateway.openai.failure import OpenAIForm, event
from synapse_gateway.problems import Problem
from synapse_runtime import errors
from synapse_runtime.errors import SynapseError


def provider(status: int, body: str, **headers: str) -> any_pb2.Any:
    packed = any_pb2.Any()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    packed.Pack(router_pb2.ProviderError(http_status=status, body=body, content_type="application/json", headers=named))
    return packed


def body_of(problem: Problem) -> bytes:
    return OpenAIForm().error(problem, "req_1")[0]


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (errors.InvalidArgument("x"), 400, "invalid_request_error", None),
        (errors.Unauthenticated("x"), 401, "invalid_request_error", "invalid_api_key"),
        (errors.PermissionDenied("x"), 403, "permission_error", "permission_denied"),
        (errors.NotFound("x", reason="MODEL_NOT_FOUND"), 404, "invalid_request_error", "model_not_found"),
        (errors.ResourceExhausted("x"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (errors.ResourceExhausted("x", reason="INSUFFICIENT_QUOTA"), 429, "rate_limit_error", "insufficient_quota"),
        (errors.Internal("x"), 500, "server_error", None),
        (errors.Unimplemented("x"), 501, "server_error", "not_implemented"),
        (errors.Unavailable("x"), 503, "server_error", "unavailable"),
        (errors.DeadlineExceeded("x"), 504, "server_error", "timeout"),
        (errors.FailedPrecondition("x"), 400, "invalid_request_error", "failed_precondition"),
        (errors.FailedPrecondition("x", reason="ONLY_IF_CACHED_MISS"), 504, "server_error", "only_if_cached_miss"),
        (errors.Unauthenticated("x", reason="IDENTITY_FORGED"), 500, "server_error", None),
    ],
)
def test_our_own_errors_follow_the_table(error: SynapseError, status: int, kind: str, code: str | None) -> None:
    problem = to_problem(error)
    told = json.loads(body_of(problem))["error"]
    assert (problem.status, told["type"], told["code"]) == (status, kind, code)
    assert told.keys() == {"message", "type", "param", "code"}


def test_the_time_to_retry_is_passed_on() -> None:
    problem = to_problem(errors.Unavailable("loading", retry_after_seconds=2.5))
    assert problem.headers == [(b"retry-after", b"3"), (b"retry-after-ms", b"2500")]


def test_every_503_says_when_to_retry() -> None:
    assert (b"retry-after", b"1") in to_problem(errors.Unavailable("down")).headers


def test_a_backends_error_keeps_status_body_and_headers() -> None:
    body = '{"error": {"message": "slow down",  "code": 42}}'
    detail = provider(429, body, retry_after="7", x_ratelimit_limit_requests="9", x_request_id="up_1", set_cookie="no")
    problem = to_problem(errors.ResourceExhausted("slow down", reason="PROVIDER_ERROR", details=[detail]))
    assert (problem.status, body_of(problem).decode()) == (429, body)
    assert dict(problem.headers) == {
        b"retry-after": b"7",
        b"x-ratelimit-limit-requests": b"9",
        b"x-provider-request-id": b"up_1",
    }


def test_an_error_inside_a_backends_stream_keeps_its_object() -> None:
    body = '{"error": {"message": "boom", "type": "oops"}}'
    problem = to_problem(errors.Internal("boom", reason="PROVIDER_ERROR", details=[provider(200, body)]))
    assert problem.status == 502
    assert event(problem) == b'data: {"error":{"message":"boom","type":"oops"}}\n\n'


def test_a_backend_that_did_not_answer_is_named_by_its_code() -> None:
    problem = to_problem(errors.DeadlineExceeded("late", reason="PROVIDER_ERROR", details=[provider(0, "")]))
    assert (problem.status, problem.fault) == (504, "provider_timeout")


def test_a_late_failure_that_is_no_json_becomes_an_error_event() -> None:
    problem = to_problem(errors.Internal("bad", reason="PROVIDER_ERROR", details=[provider(500, "<html>")]))
    assert json.loads(event(problem)[6:])["error"]["message"] == "bad"


def test_a_status_that_no_http_knows_is_not_passed_on() -> None:
    problem = to_problem(errors.Internal("odd", reason="PROVIDER_ERROR", details=[provider(999, "{}")]))
    assert problem.status == 502


@pytest.mark.parametrize("name", ["x_request_id", "request_id"])
def test_a_backends_own_request_id_is_told_beside_ours(name: str) -> None:
    detail = provider(429, "{}", **{name: "up_1", "anthropic_ratelimit_tokens_remaining": "0"})
    problem = to_problem(errors.ResourceExhausted("slow", reason="PROVIDER_ERROR", details=[detail]))
    assert dict(problem.headers) == {
        b"x-provider-request-id": b"up_1",
        b"anthropic-ratelimit-tokens-remaining": b"0",
    }
