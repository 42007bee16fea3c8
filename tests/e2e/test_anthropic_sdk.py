"""Anthropic's official SDK against the running mesh: errors, retries, time limits, leaving, counting, and its own words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.e2e import claude as double
from tests.e2e.claude import SIGNATURE, TOKENS, Claude, echo, failure_of
from tests.e2e.conftest import LIMITED_KEY, SPENDER_KEY
from tests.e2e.questions import STATUS
from tests.e2e.test_cancel import until
from tests.support.mesh import MeshProcess

HELLO: Any = [{"role": "user", "content": "What is the capital of France?"}]
TEXT = echo(HELLO[0]["content"])


def client_of(mesh: MeshProcess, namespace: str, **options: Any) -> Anthropic:
    headers = {"x-synapse-namespace": namespace}
    settings = {"api_key": mesh.endpoint.key, "max_retries": 0, "timeout": 60.0, "default_headers": headers, **options}
    return Anthropic(**{"base_url": mesh.endpoint.url, **settings})


@pytest.fixture
def sdk(mesh_double: MeshProcess, namespace: str) -> Iterator[Anthropic]:
    with client_of(mesh_double, namespace) as client:
        yield client


def ask(sdk: Anthropic, form: str = "plain", **members: Any) -> anthropic.types.Message:
    """The message that answers; `members` are those of the request."""
    body = {"model": "claude/echo", "max_tokens": 64, "messages": HELLO, **members}
    if form == "plain":
        message: anthropic.types.Message = sdk.messages.create(**body)
        return message
    with sdk.messages.stream(**body) as stream:
        return stream.get_final_message()


in_each_form = pytest.mark.parametrize("form", ["plain", "streamed"])


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("path", ["", "/v1"])
def test_the_base_may_be_given_with_and_without_the_version(
    mesh_double: MeshProcess, namespace: str, path: str
) -> None:
    with client_of(mesh_double, namespace, base_url=f"{mesh_double.endpoint.url}{path}") as sdk:
        assert text_of(ask(sdk)) == TEXT


def test_the_key_may_come_as_a_bearer(mesh_double: MeshProcess, namespace: str) -> None:
    with client_of(mesh_double, namespace, api_key=None, auth_token=mesh_double.endpoint.key) as sdk:
        assert text_of(ask(sdk)) == TEXT


async def test_the_asynchronous_client_streams_too(mesh_double: MeshProcess, namespace: str) -> None:
    headers = {"x-synapse-namespace": namespace}
    settings: Any = {"api_key": mesh_double.endpoint.key, "default_headers": headers}
    async with (
        AsyncAnthropic(base_url=mesh_double.endpoint.url, **settings) as sdk,
        sdk.messages.stream(model="claude/echo", max_tokens=64, messages=HELLO) as stream,
    ):
        text = "".join([piece async for piece in stream.text_stream])
    assert text == TEXT


@in_each_form
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.RequestTooLargeError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
def test_anthropic_s_own_error_comes_through_byte_for_byte(
    sdk: Anthropic, status: int, kind: type[anthropic.APIStatusError], form: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(sdk, form, model=f"claude/fail/{status}")
    reply = caught.value.response
    assert (reply.status_code, reply.content) == (status, failure_of(status)[0])
    assert reply.headers["retry-after"] == "7"


@in_each_form
@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_an_error_of_openai_s_wire_is_told_in_anthropic_s_words(
    sdk: Anthropic, status: int, kind: type[anthropic.APIStatusError], word: str, form: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(sdk, form, model=f"fail/{status}")
    body: Any = caught.value.body
    assert caught.value.status_code == status
    assert body["type"] == "error"
    assert body["error"] == {"type": word, "message": f"Provider says {status}."}
    assert body["request_id"] == caught.value.request_id


def test_our_own_refusals_have_anthropic_s_classes(mesh_double: MeshProcess, namespace: str) -> None:
    with client_of(mesh_double, namespace, api_key="sk-wrong") as sdk, pytest.raises(anthropic.AuthenticationError):
        ask(sdk)
    with client_of(mesh_double, namespace, api_key=LIMITED_KEY) as sdk, pytest.raises(anthropic.PermissionDeniedError):
        ask(sdk)
    with client_of(mesh_double, namespace) as sdk, pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        ask(sdk, max_tokens="many")


def test_tokens_of_answers_count_against_the_key(mesh_double: MeshProcess, namespace: str) -> None:
    with client_of(mesh_double, namespace, api_key=SPENDER_KEY) as sdk:
        reply = sdk.messages.with_raw_response.create(model="claude/echo", max_tokens=64, messages=HELLO)
    assert int(reply.headers["anthropic-ratelimit-tokens-limit"]) == 6_000_000


def test_the_sdk_waits_as_long_as_a_busy_backend_says(mesh_double: MeshProcess, namespace: str) -> None:
    question: Any = [{"role": "user", "content": f"Busy in {namespace}?"}]
    began = time.monotonic()
    with client_of(mesh_double, namespace, max_retries=2) as sdk:
        assert text_of(ask(sdk, model="claude/once-busy", messages=question)) == echo(question[0]["content"])
    assert time.monotonic() - began >= 0.3


def test_a_late_error_reaches_the_sdk_as_an_exception(sdk: Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="Overheated"):
        ask(sdk, "streamed", model="claude/late-error")
    with pytest.raises(anthropic.APIStatusError, match="Overheated"):
        ask(sdk, "streamed", model="late-error")


@pytest.mark.parametrize("model", ["claude/torn", "torn"])
@in_each_form
def test_half_an_answer_is_an_error_and_not_stored(sdk: Anthropic, model: str, form: str) -> None:
    for _ in range(2):
        with pytest.raises(anthropic.APIStatusError):
            ask(sdk, form, model=model)


def test_the_sdk_s_own_time_limit_ends_the_backend_s_work(sdk: Anthropic, claude: Claude, namespace: str) -> None:
    question: Any = [{"role": "user", "content": f"In no time, {namespace}."}]
    with pytest.raises(anthropic.APITimeoutError):
        ask(sdk.with_options(timeout=0.2), model="claude/slow", messages=question)
    assert until(lambda: has_left(claude, question))


def test_leaving_a_stream_ends_the_backend_s_work(sdk: Anthropic, claude: Claude, namespace: str) -> None:
    question: Any = [{"role": "user", "content": f"Leave {namespace}."}]
    with sdk.messages.stream(model="claude/slow", max_tokens=64, messages=question) as stream:
        for _, piece in zip(range(3), stream.text_stream, strict=False):
            assert piece
    assert until(lambda: has_left(claude, question))
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(sdk, model="claude/slow", messages=question, extra_headers={"cache-control": "only-if-cached"})
    assert caught.value.status_code == 504


def has_left(claude: Claude, question: Any) -> bool:
    return any(request.body["messages"] == question for request in claude.left)


@pytest.mark.parametrize("model", ["claude/echo"])
def test_tokens_are_counted_by_the_backend(sdk: Anthropic, model: str) -> None:
    assert sdk.messages.count_tokens(model=model, messages=HELLO).input_tokens == TOKENS


def test_thoughts_of_earlier_turns_reach_the_backend_as_they_were(sdk: Anthropic, claude: Claude) -> None:
    first = ask(sdk, model="claude/thinking_and_tools", thinking={"type": "enabled", "budget_tokens": 1024})
    [_, _, use] = first.content
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "Snow.", "is_error": False}
    turns: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    ask(sdk, messages=turns, thinking={"type": "enabled", "budget_tokens": 1024})
    sent = claude.last.body
    assert sent["messages"][1]["content"] == double.MESSAGES["thinking_and_tools"]["content"]
    assert sent["messages"][1]["content"][0]["signature"] == SIGNATURE
    assert sent["messages"][2]["content"] == [result]
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 1024}


def test_a_redacted_thought_reaches_the_backend_as_it_was(sdk: Anthropic, claude: Claude) -> None:
    first = ask(sdk, model="claude/redacted")
    turns: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Sure?"}]
    ask(sdk, messages=turns)
    assert claude.last.body["messages"][1]["content"] == double.MESSAGES["redacted"]["content"]


def test_what_only_anthropic_knows_reaches_it(sdk: Anthropic, claude: Claude) -> None:
    hinted: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    tool: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    ask(
        sdk,
        system=hinted,
        tools=[tool],
        metadata={"user_id": "ada"},
        extra_body={"top_k": 7, "container": "c_1"},
        extra_headers={"anthropic-beta": "one-2026,two-2026"},
    )
    body = claude.last.body
    assert (body["system"], body["tools"]) == (hinted, [tool])
    assert (body["metadata"], body["top_k"], body["container"]) == ({"user_id": "ada"}, 7, "c_1")
    assert claude.last.headers["anthropic-beta"].replace(" ", "") == "one-2026,two-2026"


def test_a_hint_for_the_provider_s_cache_changes_no_question(sdk: Anthropic) -> None:
    def asked(**hint: Any) -> str:
        content = [{"type": "text", "text": "Hello?", **hint}]
        turns: Any = [{"role": "user", "content": content}]
        reply = sdk.messages.with_raw_response.create(model="claude/echo", max_tokens=64, messages=turns)
        return reply.headers[STATUS]

    assert [asked(), asked(cache_control={"type": "ephemeral"}), asked()] == ["MISS", "HIT-L1", "HIT-L1"]


def test_a_document_is_refused_by_a_wire_that_has_none(sdk: Anthropic, claude: Claude) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "Bern is the seat."}
    document = {"type": "document", "source": source, "title": "Cities", "citations": {"enabled": True}}
    turns: Any = [{"role": "user", "content": [document, {"type": "text", "text": "Which?"}]}]
    ask(sdk, messages=turns)
    assert claude.last.body["messages"] == turns
    with pytest.raises(anthropic.BadRequestError, match="upstream"):
        ask(sdk, messages=turns, model="echo")


def test_a_stream_has_anthropic_s_grammar(mesh_double: MeshProcess, namespace: str) -> None:
    headers = {"x-api-key": mesh_double.endpoint.key, "x-synapse-namespace": namespace}
    body = {"model": "claude/thinking_and_tools", "max_tokens": 64, "messages": HELLO, "stream": True}
    for status in ("MISS", "HIT-L1"):
        reply = httpx.post(f"{mesh_double.endpoint.url}/v1/messages", json=body, headers=headers)
        assert reply.headers[STATUS] == status
        names = [line.removeprefix("event: ") for line in reply.text.splitlines() if line.startswith("event: ")]
        shown = [name for name in names if name not in {"ping", "content_block_delta"}]
        blocks = ["content_block_start", "content_block_stop"] * 3
        assert shown == ["message_start", *blocks, "message_delta", "message_stop"]
        assert "[DONE]" not in reply.text
