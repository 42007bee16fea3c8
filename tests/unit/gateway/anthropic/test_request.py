"""Anthropic's requests reach the canonical form whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from synapse.llm.v1 import request_pb2
from synapse_gateway.anthropic.request import read_count, read_messages
from synapse_gateway.problems import Problem
from synapse_llm_router.adapters.anthropic.request import request_bytes
from synapse_runtime import jsontext
from tests.unit.gateway.anthropic.shapes import REQUEST, plain

HI = [{"role": "user", "content": "hi"}]
ToolChoice = request_pb2.ToolChoice


def read(headers: dict[bytes, bytes] | None = None, **members: Any) -> request_pb2.GenerationRequest:
    body = {"model": "m", "max_tokens": 9, "messages": HI, **members}
    return read_messages(json.dumps(body).encode(), headers or {}).request


def turns(*content: Any, role: str = "user") -> list[Any]:
    """The canonical messages of one turn."""
    return list(read(messages=[{"role": role, "content": list(content)}]).messages)


def refusal(**members: Any) -> str:
    with pytest.raises(Problem) as caught:
        read(**members)
    assert caught.value.status == 400
    return caught.value.message


def text(of: str) -> dict[str, Any]:
    return {"type": "text", "text": of}


def use(call_id: str, **members: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {"a": 1}, **members}


def result(call_id: str, **members: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "ok", **members}


@given(REQUEST)
def test_a_request_comes_back_whole_out_of_the_router(body: dict[str, Any]) -> None:
    asked = read_messages(json.dumps(body).encode(), {})
    sent = jsontext.load(request_bytes(asked.request, body["model"], "backend", stream=False))
    assert plain(sent) == plain(body)


def test_a_bare_text_block_is_a_text() -> None:
    (message,) = turns(text("hi"))
    assert (message.text, len(message.parts)) == ("hi", 0)
    assert read(system=[text("Be brief.")]).messages[0].text == "Be brief."


def test_calls_at_the_end_of_a_turn_are_fields() -> None:
    (message,) = turns(text("Wait."), use("c1"), use("c2"), role="assistant")
    assert message.text == "Wait."
    assert [(call.id, call.type, call.arguments) for call in message.tool_calls] == [
        ("c1", "function", '{"a":1}'),
        ("c2", "function", '{"a":1}'),
    ]


def test_a_call_before_other_blocks_is_a_part() -> None:
    (message,) = turns(use("c1"), text("Wait."), role="assistant")
    assert [part.WhichOneof("part") for part in message.parts] == ["tool_call", "text"]
    assert not message.tool_calls


def test_results_at_the_beginning_of_a_turn_are_messages_of_their_own() -> None:
    first, second, rest = turns(result("c1"), result("c2", is_error=True), text("And now?"))
    assert (first.role, first.tool_call_id, first.text, first.extra_json) == ("tool", "c1", "ok", "")
    assert json.loads(second.extra_json) == {"is_error": True}
    assert (rest.role, rest.text) == ("user", "And now?")


def test_a_result_behind_other_blocks_is_a_part() -> None:
    (message,) = turns(result("c1"), text("And?"), result("c2", is_error=True))
    assert [part.WhichOneof("part") for part in message.parts] == ["tool_result", "text", "tool_result"]
    assert message.parts[2].tool_result.is_error


def test_members_of_a_turn_keep_its_results_in_one_message() -> None:
    (message,) = read(messages=[{"role": "user", "content": [result("c1")], "x": 1}]).messages
    assert message.parts[0].tool_result.tool_call_id == "c1"
    assert message.extra_json == '{"x":1}'


def test_signed_thinking_is_a_part_and_unsigned_the_plain_field() -> None:
    (signed,) = turns({"type": "thinking", "thinking": "hm", "signature": "s"}, text("x"), role="assistant")
    assert (signed.parts[0].thinking.text, signed.parts[0].thinking.signature) == ("hm", "s")
    (unsigned,) = turns({"type": "thinking", "thinking": "hm", "signature": ""}, text("x"), role="assistant")
    assert (unsigned.reasoning, unsigned.text) == ("hm", "x")


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, ToolChoice.MODE_AUTO, None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice.MODE_REQUIRED, False),
        ({"type": "none"}, ToolChoice.MODE_NONE, None),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice.MODE_NAMED, True),
        ({"type": "some", "x": 1}, ToolChoice.MODE_OTHER, None),
    ],
)
def test_the_choice_of_tools_has_fields(choice: dict[str, Any], mode: int, *, parallel: bool | None) -> None:
    request = read(tool_choice=choice)
    assert request.tool_choice.mode == mode
    assert (request.parallel_tool_calls if request.HasField("parallel_tool_calls") else None) is parallel


def test_tools_of_the_clients_are_functions_and_others_stay_whole() -> None:
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    custom, kept = read(tools=[{"name": "f", "input_schema": {"type": "object"}, "type": "custom"}, own]).tools
    assert (custom.type, custom.name, custom.parameters_json) == ("function", "f", '{"type":"object"}')
    assert (kept.type, json.loads(kept.extra_json)) == ("web_search_20250305", own)


def test_how_to_think_and_to_answer_has_fields() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    config = {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    request = read(thinking={"type": "enabled", "budget_tokens": 2048}, output_config=config)
    assert (request.reasoning.enabled, request.reasoning.budget_tokens) == (True, 2048)
    assert request.reasoning.effort == "low"
    assert request.response_format.json_schema_json == json.dumps({"schema": schema}, separators=(",", ":"))
    adaptive = read(thinking={"type": "adaptive"}).reasoning
    assert (adaptive.HasField("enabled"), adaptive.extra_json) == (False, '{"type":"adaptive"}')


def test_who_asks_is_no_part_of_the_question() -> None:
    request = read(metadata={"user_id": "u1"}, service_tier="auto", stream=True, session_id="s1")
    assert (request.caller.user, request.caller.service_tier, request.extra_json) == ("u1", "auto", "")
    assert read(stream=True) == read()


def test_what_keeps_state_rides_along() -> None:
    request = read(container="c1", mcp_servers=[{"url": "x"}])
    assert json.loads(request.extra_json) == {"container": "c1", "mcp_servers": [{"url": "x"}]}


def test_betas_come_from_the_header() -> None:
    assert list(read({b"anthropic-beta": b"one, two,"}).betas) == ["one", "two"]


def test_a_null_is_the_same_as_nothing() -> None:
    nulls = dict.fromkeys(["system", "tools", "tool_choice", "thinking", "metadata", "stop_sequences", "temperature"])
    assert read(**nulls) == read()
    assert turns({**text("x"), "citations": None}) == turns(text("x"))


def test_a_count_needs_no_limit() -> None:
    request = read_count(json.dumps({"model": "m", "messages": HI, "system": "s"}).encode(), {})
    assert [message.role for message in request.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"model": ""}, "model: String should have at least 1 character"),
        ({"model": 3}, "model: Input should be a valid string"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [3]}, "messages.0: Input should be a valid dictionary"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role: Input should be 'user', 'assistant' or"),
        ({"messages": [*HI, {"role": "user"}]}, "messages.1.content: Field required"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages.0.content: Input should be a valid string or list"),
        ({"system": 3}, "system: Input should be a valid string or list"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"stop_sequences": ["a", 3]}, "stop_sequences.1: Input should be a valid string"),
        ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": {}}, "tools: Input should be a valid list"),
        ({"tool_choice": "auto"}, "tool_choice: Input should be a valid dictionary"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.tool.name: Field required"),
        ({"thinking": {"budget_tokens": 3}}, "thinking.type: Field required"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field required"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id: Input should be a valid string"),
    ],
)
def test_bad_input_is_refused_by_name(members: dict[str, Any], message: str) -> None:
    assert refusal(**members).startswith(message)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("x", "messages.0.content.0: Input should be a valid dictionary"),
        ({"text": "x"}, "messages.0.content.0.type: Field required"),
        ({"type": "text"}, "messages.0.content.0.text.text: Field required"),
        ({"type": "image"}, "messages.0.content.0.image.source: Field required"),
        (
            {"type": "image", "source": {"type": "base64", "data": "x"}},
            "messages.0.content.0.image.source.base64.media_type: Field required",
        ),
        ({"type": "tool_use", "id": "c", "name": "f"}, "messages.0.content.0.tool_use.input: Field required"),
        ({"type": "tool_result"}, "messages.0.content.0.tool_result.tool_use_id: Field required"),
        (
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text"}]},
            "messages.0.content.0.tool_result.content.0.text.text: Field required",
        ),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_bad_blocks_are_refused_by_name(block: Any, message: str, role: str) -> None:
    assert refusal(messages=[{"role": role, "content": [block]}]) == message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": NaN}'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read_messages(body, {})
