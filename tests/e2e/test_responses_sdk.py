"""The responses protocol with OpenAI's official SDK: what it accumulates and parses, errors, retries, leaving, state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.e2e.claude import WORDS, Claude
from tests.e2e.conftest import LIMITED_KEY
from tests.e2e.questions import SCHEMA, STATUS
from tests.e2e.test_cancel import until
from tests.e2e.upstream import Upstream, echo, failure_of, prompt_of
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
TOOL: Any = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}


class City(BaseModel):
    """What a parsed answer holds."""

    city: Literal["Bern", "Oslo"]


def client_of(mesh: MeshProcess, namespace: str, **options: Any) -> OpenAI:
    headers = {"x-synapse-namespace": namespace}
    settings = {"api_key": mesh.endpoint.key, "max_retries": 0, "timeout": 60.0, "default_headers": headers, **options}
    return OpenAI(base_url=mesh.base_url, **settings)


@pytest.fixture
def sdk(mesh_double: MeshProcess, namespace: str) -> Iterator[OpenAI]:
    with client_of(mesh_double, namespace) as client:
        yield client


in_each_form = pytest.mark.parametrize("form", ["plain", "streamed"])
from_both = pytest.mark.parametrize("status", ["MISS", "HIT-L1"])


def ask(sdk: OpenAI, form: str = "plain", **members: Any) -> Any:
    """The response; a stream is put together by the SDK."""
    body: dict[str, Any] = {"model": "echo", "input": QUESTION, **members}
    if form == "plain":
        return sdk.responses.create(**body)
    with sdk.responses.stream(**body) as stream:
        return stream.get_final_response()


@from_both
@pytest.mark.parametrize("model", ["rich/text_and_tools", "claude/text_and_tools"])
def test_the_sdk_puts_a_stream_together(sdk: OpenAI, model: str, status: str) -> None:
    whole = ask(sdk, model=model, tools=[TOOL])
    headers = {"cache-control": "no-cache"} if status == "MISS" else {}
    streamed = ask(sdk, "streamed", model=model, tools=[TOOL], extra_headers=headers)
    assert streamed.output_text == whole.output_text == "Let me look."
    calls = [[item.to_dict() for item in reply.output if item.type == "function_call"] for reply in (whole, streamed)]
    assert [[_bare(call) for call in one] for one in calls] == [[_bare(call) for call in calls[0]]] * 2
    assert streamed.usage.total_tokens == whole.usage.total_tokens > 0


def _bare(call: dict[str, Any]) -> tuple[Any, ...]:
    return call["call_id"], call["name"], json.loads(call["arguments"])


@from_both
@in_each_form
def test_an_answer_of_a_schema_is_parsed(sdk: OpenAI, form: str, status: str) -> None:
    if status == "HIT-L1":
        ask(sdk, model="claude/schema", text={"format": _format()})
    if form == "plain":
        parsed = sdk.responses.parse(model="claude/schema", input=QUESTION, text_format=City)
    else:
        with sdk.responses.stream(model="claude/schema", input=QUESTION, text_format=City) as stream:
            parsed = stream.get_final_response()
    assert parsed.output_parsed == City(city="Bern")


def _format() -> dict[str, Any]:
    return {"type": "json_schema", "name": "City", "schema": SCHEMA, "strict": True}


@from_both
def test_the_events_of_a_stream_are_numbered_and_in_order(sdk: OpenAI, status: str) -> None:
    if status == "HIT-L1":
        ask(sdk, model="claude/thinking_and_tools")
    raw = sdk.responses.with_raw_response.create(model="claude/thinking_and_tools", input=QUESTION, stream=True)
    with raw.parse() as stream:
        events: list[Any] = list(stream)
    assert raw.headers[STATUS] == status
    assert [event.sequence_number for event in events] == list(range(len(events)))
    names = [event.type for event in events]
    assert (names[0], names[-1]) == ("response.created", "response.completed")
    assert [item.type for item in events[-1].response.output] == ["reasoning", "message", "function_call"]
    assert names.count("response.output_item.added") == names.count("response.output_item.done") == 3


def test_the_output_may_be_sent_back_as_input(sdk: OpenAI, claude: Claude) -> None:
    first = ask(sdk, model="claude/text_and_tools", tools=[TOOL])
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "Snow."}
        for item in first.output
        if item.type == "function_call"
    ]
    ask(sdk, model="claude/echo", tools=[TOOL], input=[{"role": "user", "content": QUESTION}, *first.output, *results])
    said, returned = claude.last.body["messages"][1:]
    assert [block["type"] for block in said["content"]] == ["text", "tool_use", "tool_use"]
    assert [block["tool_use_id"] for block in returned["content"]] == ["toolu_1", "toolu_2"]


@in_each_form
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_backend_s_error_comes_through_byte_for_byte(
    sdk: OpenAI, status: int, kind: type[openai.APIStatusError], form: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(sdk, form, model=f"fail/{status}")
    assert (caught.value.status_code, caught.value.response.content) == (status, failure_of(status)[0])


@in_each_form
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_an_error_of_anthropic_s_wire_is_told_in_openai_s_words(
    sdk: OpenAI, status: int, kind: type[openai.APIStatusError], form: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(sdk, form, model=f"claude/fail/{status}")
    body: Any = caught.value.body
    assert body.keys() == {"message", "type", "param", "code"}
    assert body["message"] == f"Provider says {status}."


@pytest.mark.parametrize(
    "members",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ],
)
def test_what_needs_a_state_is_refused_by_name(sdk: OpenAI, members: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(sdk, **members)
    assert caught.value.param is not None
    assert next(iter(members)) in caught.value.param


def test_our_own_refusals_have_openai_s_classes(mesh_double: MeshProcess, namespace: str) -> None:
    with client_of(mesh_double, namespace, api_key="sk-wrong") as sdk, pytest.raises(openai.AuthenticationError):
        ask(sdk)
    with client_of(mesh_double, namespace, api_key=LIMITED_KEY) as sdk, pytest.raises(openai.PermissionDeniedError):
        ask(sdk, model="slow")


def test_the_sdk_waits_as_long_as_a_busy_backend_says(mesh_double: MeshProcess, namespace: str) -> None:
    began = time.monotonic()
    with client_of(mesh_double, namespace, max_retries=2) as sdk:
        asked = f"Busy with responses in {namespace}?"
        assert ask(sdk, model="once-busy", input=asked).output_text == echo(asked)
    assert time.monotonic() - began >= 0.3


def test_the_sdk_s_own_time_limit_ends_the_backend_s_work(sdk: OpenAI, upstream: Upstream, namespace: str) -> None:
    asked = f"In no time, {namespace}."
    with pytest.raises(openai.APITimeoutError):
        ask(sdk.with_options(timeout=0.2), model="slow", input=asked)
    assert until(lambda: any(prompt_of(request.body) == asked for request in upstream.left))


def test_leaving_a_stream_ends_the_backend_s_work(sdk: OpenAI, upstream: Upstream, namespace: str) -> None:
    asked = f"Leave the responses of {namespace}."
    with sdk.responses.create(model="slow", input=asked, stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert until(lambda: any(prompt_of(request.body) == asked for request in upstream.left))
    assert ask(sdk, model="slow", input=asked).output_text == " ".join(f"w{number}" for number in range(WORDS))


def test_a_late_error_ends_the_stream_with_its_failure(sdk: OpenAI) -> None:
    for model in ("late-error", "claude/late-error"):
        with sdk.responses.create(model=model, input=QUESTION, stream=True) as stream:
            *_, last = stream
        assert last.type in {"error", "response.failed"}
        assert "Overheated" in last.to_json()


def test_tokens_are_counted_by_the_backend(sdk: OpenAI) -> None:
    assert sdk.responses.input_tokens.count(model="claude/echo", input=QUESTION).input_tokens == 42
