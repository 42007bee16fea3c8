"""A question in OpenAI's words reaches a backend on Anthropic's wire as ADR 4 says, or is refused by name."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, PROTOCOL_OPENAI, GenerationRequest
from synapse_llm_router.adapters.anthropic.request import DEFAULT_MAX_TOKENS, request_bytes
from synapse_runtime.errors import InvalidArgument
from tests.unit.llm_router.openai.reader import read_request

PIXEL = "aGk="


def sent(*messages: dict[str, Any], **members: Any) -> dict[str, Any]:
    """What the backend is asked for a chat request of these messages and members."""
    chat = {"model": "m", "messages": list(messages) or [said("user", "Hi")], **members}
    body = orjson.loads(request_bytes(read_request(chat), "claude-x", "claude", stream=False))
    assert isinstance(body, dict)
    return body


def said(role: str, content: Any, **members: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **members}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def call(name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


def refused(*messages: dict[str, Any], **members: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        sent(*messages, **members)
    assert caught.value.metadata["backend"] == "claude"
    assert caught.value.metadata["field"] in caught.value.message
    return caught.value


def test_a_plain_question_is_plain() -> None:
    assert sent() == {"model": "claude-x", "max_tokens": DEFAULT_MAX_TOKENS, "messages": [said("user", "Hi")]}


def test_system_messages_wherever_they_stand_are_the_system_prompt() -> None:
    body = sent(said("system", "a"), said("user", "b"), said("developer", "c"), said("user", "d"))
    assert body["system"] == [text("a"), text("c")]
    assert body["messages"] == [said("user", [text("b"), text("d")])]
    assert sent(said("developer", "a"), said("user", "b"))["system"] == "a"


def test_parallel_calls_and_their_results_are_two_turns() -> None:
    body = sent(
        said("user", "a"),
        said("assistant", "", tool_calls=[call("f", '{"x": 1.0}'), call("g", "")]),
        said("tool", "1", tool_call_id="call_f", name="f"),
        said("tool", [text("2"), text("3")], tool_call_id="call_g"),
        said("user", "b"),
    )
    uses = [
        {"type": "tool_use", "id": "call_f", "name": "f", "input": {"x": 1.0}},
        {"type": "tool_use", "id": "call_g", "name": "g", "input": {}},
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "call_f", "content": "1"},
        {"type": "tool_result", "tool_use_id": "call_g", "content": [text("2"), text("3")]},
    ]
    assert body["messages"][1:] == [said("assistant", uses), said("user", [*results, text("b")])]


@pytest.mark.parametrize("arguments", ["{broken", "[1]", '"x"'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    error = refused(said("assistant", None, tool_calls=[call("f", arguments)]))
    assert error.reason == "UNSUPPORTED_CONTENT"
    assert error.metadata["field"] == "messages[0].tool_calls[0].arguments"


def test_pictures_are_base64_or_urls() -> None:
    data, url = f"data:image/png;base64,{PIXEL}", "https://h/a.png"
    pictures = [{"type": "image_url", "image_url": {"url": value, "detail": "low"}} for value in (data, url)]
    assert sent(said("user", pictures))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": url}},
    ]


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (f"data:application/pdf;base64,{PIXEL}", {"type": "base64", "media_type": "application/pdf", "data": PIXEL}),
        (PIXEL, {"type": "base64", "media_type": "application/pdf", "data": PIXEL}),
        (f"data:text/plain;base64,{PIXEL}", {"type": "text", "media_type": "text/plain", "data": "hi"}),
    ],
)
def test_files_are_documents(data: str, source: dict[str, Any]) -> None:
    part = {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}
    (block,) = sent(said("user", [part]))["messages"][0]["content"]
    assert block == {"type": "document", "source": source, "title": "a.pdf"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"temperature": 1.5, "top_p": 0.5, "top_k": 3}, {"temperature": 1.5, "top_p": 0.5, "top_k": 3}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"safety_identifier": "s", "metadata": {"a": "b"}}, {"metadata": {"user_id": "s"}}),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
    ],
)
def test_members_of_a_like_meaning_are_translated(members: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sent(**members) == {**sent(), **expected}


@pytest.mark.parametrize(
    "members",
    [
        {"seed": 7, "presence_penalty": 1, "frequency_penalty": -1, "min_p": 0.1},
        {"n": 1, "logprobs": False, "top_logprobs": 0, "logit_bias": {}, "modalities": ["text"]},
        {"store": True, "prompt_cache_key": "k", "service_tier": "flex", "x_unknown": 1},
        {"response_format": {"type": "text"}, "tool_choice": "none", "parallel_tool_calls": False},
    ],
)
def test_what_only_tunes_labels_or_says_the_usual_is_left_out(members: dict[str, Any]) -> None:
    assert sent(**members) == sent()


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"7": -100}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "allowed_tools", "function": {}}}, "tool_choice"),
    ],
)
def test_parameters_without_a_likeness_are_refused(members: dict[str, Any], field: str) -> None:
    error = refused(**members)
    assert (error.reason, error.metadata["field"]) == ("UNSUPPORTED_PARAMETER", field)


@pytest.mark.parametrize("name", ["functions", "function_call", "web_search_options", "audio"])
def test_unknown_members_that_change_the_question_are_refused(name: str) -> None:
    assert refused(**{name: {"name": "f"}}).metadata["field"] == name


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (said("user", [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]), "content[0]"),
        (said("user", [{"type": "video_url", "video_url": {"url": "https://h"}}]), "content[0]"),
        (said("user", [{"type": "hologram"}]), "content[0]"),
        (said("user", [{"type": "file", "file": {"file_id": "file-1"}}]), "content[0].file_id"),
        (said("user", [{"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}}]), "content[0]"),
        (said("user", "a", name="Ann"), "name"),
        (said("function", "a", name="f"), "role"),
        (said("tool", "a"), ""),
        (said("assistant", None, tool_calls=[{"id": "c", "type": "custom", "custom": {}}]), "tool_calls[0]"),
        (said("assistant", None, function_call={"name": "f", "arguments": "{}"}), "function_call"),
    ],
)
def test_content_without_a_likeness_is_refused(message: dict[str, Any], field: str) -> None:
    error = refused(message)
    assert (error.reason, error.metadata["field"]) == ("UNSUPPORTED_CONTENT", f"messages[0].{field}".rstrip("."))


def test_text_that_is_no_base64_is_refused() -> None:
    data = "data:text/plain;base64," + base64.b64encode(b"\xff").decode()
    part = {"type": "file", "file": {"file_data": data}}
    assert refused(said("user", [part])).reason == "UNSUPPORTED_CONTENT"


def test_plain_completions_are_refused() -> None:
    request = GenerationRequest(model="m", kind=GENERATION_KIND_COMPLETION, protocol=PROTOCOL_OPENAI)
    with pytest.raises(InvalidArgument) as caught:
        request_bytes(request, "m", "claude", stream=False)
    assert caught.value.metadata["field"] == "prompt"


def test_functions_are_tools_with_a_schema() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "number"}}}
    full = {"name": "f", "description": "d", "parameters": schema, "strict": True}
    tools = [{"type": "function", "function": function} for function in (full, {"name": "g"})]
    assert sent(tools=tools)["tools"] == [
        {"name": "f", "description": "d", "input_schema": schema, "strict": True},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_the_choice_among_tools_is_translated(members: dict[str, Any], choice: dict[str, Any] | None) -> None:
    assert sent(tools=[{"type": "function", "function": {"name": "f"}}], **members).get("tool_choice") == choice


def test_a_json_schema_is_the_format_of_the_output() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    body = sent(response_format=form, reasoning_effort="low")
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    assert json.dumps(body["output_config"]["format"]["schema"]) == json.dumps(schema)


def test_refusals_are_text_and_unsigned_thoughts_are_left_out() -> None:
    body = sent(said("user", "a"), said("assistant", None, refusal="No.", reasoning_content="hm"), said("user", "b"))
    assert body["messages"][1] == said("assistant", [text("No.")])
    parts = [text("Well."), {"type": "refusal", "refusal": "No."}]
    assert sent(said("assistant", parts))["messages"] == [said("assistant", [text("Well."), text("No.")])]


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"enabled": True}, {"type": "adaptive"}),
        ({"enabled": False}, {"type": "disabled"}),
        ({"budget_tokens": 2048}, {"type": "enabled", "budget_tokens": 2048}),
        ({"enabled": True, "budget_tokens": 2048}, {"type": "enabled", "budget_tokens": 2048}),
    ],
)
def test_thinking_asked_for_by_grpc_clients_is_translated(fields: dict[str, Any], thinking: dict[str, Any]) -> None:
    request = read_request({"model": "m", "messages": [said("user", "Hi")]})
    for name, value in fields.items():
        setattr(request.reasoning, name, value)
    body = orjson.loads(request_bytes(request, "m", "claude", stream=False, default_max_tokens=100))
    assert body["thinking"] == thinking
    assert body["max_tokens"] == 100 + thinking.get("budget_tokens", 0)
