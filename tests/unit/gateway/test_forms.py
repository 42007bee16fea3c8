"""Errors have the form of the path's protocol; a backend's own body goes only to clients of its protocol."""

from __future__ import annotations

import json

import pytest

from synapse_gateway.anthropic import failure as anthropic
from synapse_gateway.dialect import Form
from synapse_gateway.forms import form_of
from synapse_gateway.limits import Level
from synapse_gateway.openai import failure as openai
from synapse_gateway.problems import Problem, invalid

SDK = {b"anthropic-version": b"2023-06-01"}
OPENAI, ANTHROPIC = openai.OpenAIForm(), anthropic.AnthropicForm()
OPENAIS = b'{"error":{"message":"slow","type":"tokens","param":null,"code":null}}'
ANTHROPICS = b'{"type":"error","error":{"type":"overloaded_error","message":"slow"},"request_id":"req_up"}'


def written(form: Form, problem: Problem) -> tuple[bytes, bytes]:
    return form.error(problem, "req_1")


def told(form: Form, told: bytes, status: int = 429) -> bytes:
    """What a client of `form` gets of a backend's own body."""
    return written(form, Problem(status, "slow", kind="rate_limit_error", told=told))[0]


@pytest.mark.parametrize(
    ("path", "headers", "kind"),
    [
        ("/v1/chat/completions", {}, openai.OpenAIForm),
        ("/v1/chat/completions", SDK, openai.OpenAIForm),
        ("/v1/responses", SDK, openai.OpenAIForm),
        ("/api/v1/stats", SDK, openai.OpenAIForm),
        ("/nowhere", {}, openai.OpenAIForm),
        ("/v1/models", {}, openai.OpenAIForm),
        ("/v1/models", SDK, anthropic.AnthropicForm),
        ("/v1/files", SDK, anthropic.AnthropicForm),
        ("/v1/messages", {}, anthropic.AnthropicForm),
        ("/v1/messages/batches", {}, anthropic.AnthropicForm),
        ("/v1/v1/models", {}, anthropic.AnthropicForm),
    ],
)
def test_the_path_says_the_form_and_headers_where_it_is_shared(
    path: str, headers: dict[bytes, bytes], kind: type
) -> None:
    assert isinstance(form_of(path, headers), kind)


def test_a_backends_own_body_goes_unchanged_to_clients_of_its_protocol() -> None:
    assert told(OPENAI, OPENAIS) == OPENAIS
    assert told(ANTHROPIC, ANTHROPICS) == ANTHROPICS
    assert told(OPENAI, b"<html>") == b"<html>"


@pytest.mark.parametrize("body", [OPENAIS, b'{"error":"slow"}', b"<html>", b"[]", b""])
def test_an_anthropic_client_gets_other_bodies_in_its_form(body: bytes) -> None:
    assert json.loads(told(ANTHROPIC, body)) == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow"},
        "request_id": "req_1",
    }


@pytest.mark.parametrize("body", [ANTHROPICS, b'{"error":"slow","error_type":"overloaded"}'])
def test_an_openai_client_gets_other_bodies_in_its_form(body: bytes) -> None:
    assert json.loads(told(OPENAI, body)) == {
        "error": {"message": "slow", "type": "rate_limit_error", "param": None, "code": None}
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (501, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_every_status_has_anthropics_kind(status: int, kind: str) -> None:
    body, content_type = written(ANTHROPIC, Problem(status, "x"))
    assert json.loads(body)["error"] == {"type": kind, "message": "x"}
    assert content_type == b"application/json"


def test_a_late_failure_is_an_event_of_the_protocol() -> None:
    problem = Problem(429, "slow", kind="rate_limit_error", told=OPENAIS)
    assert openai.event(problem) == b"data: " + OPENAIS + b"\n\n"
    name, data = anthropic.event(problem).decode().strip().split("\n")
    assert name == "event: error"
    assert json.loads(data[6:]) == {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    foreign = json.loads(openai.event(Problem(529, "slow", kind="server_error", told=ANTHROPICS))[6:])
    assert foreign["error"]["type"] == "server_error"


def test_what_is_wrong_is_named_in_both_forms() -> None:
    problem = invalid("messages.0.content: Field required", "messages.0.content")
    assert json.loads(written(OPENAI, problem)[0])["error"]["param"] == "messages.0.content"
    assert json.loads(written(ANTHROPIC, problem)[0])["error"]["message"] == "messages.0.content: Field required"


def test_limits_are_told_in_each_protocols_headers() -> None:
    levels = [Level("requests", 100, 99.4, 0.01), Level("tokens", 60, 0, 61)]
    ours = dict(OPENAI.headers("req_1", 0.0125, levels, now=0.0))
    theirs = dict(ANTHROPIC.headers("req_1", 0.0125, levels, now=1_700_000_000.0))
    assert (ours[b"x-request-id"], ours[b"openai-processing-ms"]) == (b"req_1", b"12")
    assert ours[b"x-ratelimit-remaining-requests"] == b"99"
    assert ours[b"x-ratelimit-reset-tokens"] == b"1m1s"
    assert (theirs[b"x-request-id"], theirs[b"request-id"]) == (b"req_1", b"req_1")
    assert theirs[b"anthropic-ratelimit-requests-limit"] == b"100"
    assert theirs[b"anthropic-ratelimit-tokens-reset"] == b"2023-11-14T22:14:21Z"
