"""Errors as the official SDK sees them: ours in OpenAI's form, a backend's exactly as the backend told them."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import LIMITED_KEY, SPENDER_KEY, asking
from tests.e2e.upstream import Upstream, echo, failure_of
from tests.support.mesh import MeshProcess

ASK: Any = [{"role": "user", "content": "Hello"}]


def test_a_wrong_key_is_an_authentication_error(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key="sk-wrong") as stranger, pytest.raises(openai.AuthenticationError) as e:
        stranger("Hello")
    assert e.value.code == "invalid_api_key"
    assert e.value.body == {"message": "The API key is not valid.", "type": "invalid_request_error"} | _NO_PARAM
    assert e.value.request_id


_NO_PARAM = {"param": None, "code": "invalid_api_key"}


def test_no_key_is_refused_and_x_api_key_is_taken(mesh_double: MeshProcess) -> None:
    url, key = mesh_double.endpoint.url, mesh_double.endpoint.key
    assert httpx.get(f"{url}/v1/models").status_code == 401
    assert httpx.get(f"{url}/v1/models", headers={"x-api-key": key}).status_code == 200


def test_a_model_that_the_key_may_not_ask_is_a_permission_error(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=LIMITED_KEY) as limited:
        assert limited("Hello", model="rich/text").text
        with pytest.raises(openai.PermissionDeniedError) as caught:
            limited("Hello", model="slow")
    assert (caught.value.type, caught.value.param) == ("permission_error", "model")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"content": "Hello"}]}, "messages[0].role"),
        ({"messages": ASK, "temperature": "hot"}, "temperature"),
        ({"messages": ASK, "n": 0}, "n"),
        ({"messages": ASK, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": ASK, "stop": [1]}, "stop[0]"),
        ({"messages": ASK, "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"messages": ASK, "model": ""}, "model"),
        ({"messages": ASK, "model": None}, "model"),
    ],
)
def test_a_wrong_request_is_refused_naming_the_member(ask: Asker, members: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask.client.chat.completions.create(**{"model": "echo", **members})
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"message", "type", "param", "code"}
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, body: bytes) -> None:
    reply = http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
def test_an_unknown_path_or_method_is_an_openai_error(http: httpx.Client, method: str, path: str, status: int) -> None:
    reply = http.request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("form", ["plain", "streamed"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_backend_s_error_comes_through_byte_for_byte(
    ask: Asker, upstream: Upstream, status: int, kind: type[openai.APIStatusError], form: str
) -> None:
    body, headers = failure_of(status)
    before = upstream.asked
    with pytest.raises(kind) as caught:
        ask.in_form(form, "Hello", model=f"fail/{status}")
    reply = caught.value.response
    assert (reply.status_code, reply.content) == (status, body)
    passed_on = {name: value for name, value in headers.items() if name != "x-request-id"}
    assert {name: reply.headers[name] for name in passed_on} == passed_on
    assert reply.headers["x-provider-request-id"] == "up-9"
    assert upstream.asked == before + 1


def test_a_backend_s_error_is_never_stored(ask: Asker, upstream: Upstream) -> None:
    before = upstream.asked
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask("Hello", model="fail/500")
    assert upstream.asked == before + 2


def test_the_sdk_waits_as_long_as_a_busy_backend_says(
    mesh_double: MeshProcess, namespace: str, upstream: Upstream
) -> None:
    before, began = upstream.asked, time.monotonic()
    with asking(mesh_double, namespace, model="once-busy", max_retries=2) as patient:
        assert patient(f"Busy in {namespace}?").text == echo(f"Busy in {namespace}?")
    assert time.monotonic() - began >= 0.3
    assert upstream.asked == before + 2


@pytest.mark.parametrize("form", ["plain", "streamed"])
def test_a_backend_that_breaks_off_at_once_is_a_bad_gateway(ask: Asker, upstream: Upstream, form: str) -> None:
    upstream.is_down = True
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            ask.in_form(form, "Hello")
    finally:
        upstream.is_down = False
    assert caught.value.status_code in {502, 503}
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "server_error"
    assert ask("Hello").status == "MISS"


def test_half_an_answer_is_an_error_and_not_stored(ask: Asker) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as caught:
            ask("Hello", model="torn")
        assert caught.value.status_code == 502


def test_a_late_error_reaches_the_sdk_as_an_exception(ask: Asker) -> None:
    with pytest.raises(openai.APIError, match="Overheated"):
        ask.stream("Hello", model="late-error")


def test_a_key_that_spent_its_tokens_is_rate_limited(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=SPENDER_KEY) as spender:
        before = spender("Hello", model="spender").headers
        with pytest.raises(openai.RateLimitError) as caught:
            spender("Hello", model="spender")
    assert int(before["x-ratelimit-limit-tokens"]) == 6_000_000
    assert caught.value.code == "rate_limit_exceeded"
    headers = caught.value.response.headers
    assert 500 < int(headers["retry-after"]) <= 600
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    assert headers["x-ratelimit-reset-tokens"].startswith("10m")


def test_a_reply_tells_the_limits_of_its_key(http: httpx.Client) -> None:
    headers = http.get("/v1/models").headers
    assert headers["x-ratelimit-limit-requests"] == "1000"
    assert 900 < int(headers["x-ratelimit-remaining-requests"]) <= 1000
    assert headers["x-ratelimit-reset-requests"].endswith("ms")


def test_an_error_inside_the_admin_api_has_the_same_form(http: httpx.Client) -> None:
    reply = http.get("/api/v1/cache/nothing-of-that-id")
    assert reply.status_code == 404
    assert json.loads(reply.content)["error"].keys() == {"message", "type", "param", "code"}
