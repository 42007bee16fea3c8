"""A question in Anthropic's words reaches a backend on OpenAI's wire as ADR 4 says, or is refused by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from synapse_llm_router.adapters.openai.request import request_bytes
from synapse_runtime.errors import InvalidArgument
from tests.unit.llm_router.anthropic.reader import read_request

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s=="}
PIXEL = "aGk="


def sent(*turns: dict[str, Any], newer_limit: bool = False, **members: Any) -> dict[str, Any]:
    """What the backend is asked for a request of these turns and members."""
    asked = {"model": "m", "max_tokens": 9, "messages": list(turns) or [said("user", "Hi")], **members}
    raw = request_bytes(read_request(asked), "m", "gpt", stream=False, newer_limit=newer_limit)
    body = orjson.loads(raw)
    assert isinstance(body, dict)
    return body


def messages(*turns: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = sent(*turns, **members)["messages"]
    return written


def said(role: str, content: Any, **members: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **members}


def text(words: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **members}


def use(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": given}


def result(name: str, content: Any = None, **members: Any) -> dict[str, Any]:
    given = {} if content is None else {"content": content}
    return {"type": "tool_result", "tool_use_id": f"toolu_{name}", **given, **members}


def call(name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": f"toolu_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


def refused(*turns: dict[str, Any], **members: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        sent(*turns, **members)
    assert caught.value.metadata["backend"] == "gpt"
    return caught.value


def test_the_system_prompt_is_the_first_message() -> None:
    assert messages(system="s") == [said("system", "s"), said("user", "Hi")]
    hinted = [text("a", cache_control={"type": "ephemeral"}), text("b")]
    assert messages(system=hinted)[0] == said("system", [text("a"), text("b")])


def test_calls_and_results_are_messages_in_their_order() -> None:
    turns = [
        said("user", "a"),
        said("assistant", [THOUGHT, text("Well."), use("f", x=1), use("g")]),
        said("user", [result("f", "1"), result("g", [text("2"), text("3")], is_error=True), text("b")]),
    ]
    assert messages(*turns)[1:] == [
        {**said("assistant", "Well."), "tool_calls": [call("f", '{"x": 1}'), call("g")]},
        said("tool", "1", tool_call_id="toolu_f"),
        said("tool", [text("2"), text("3")], tool_call_id="toolu_g"),
        said("user", "b"),
    ]


def test_odd_orders_lose_only_their_order() -> None:
    turns = [
        said("assistant", [use("f"), text("So."), use("g")]),
        said("user", [text("b"), result("f", "1"), text("c"), result("g")]),
    ]
    assert messages(*turns) == [
        {**said("assistant", "So."), "tool_calls": [call("f"), call("g")]},
        said("tool", "1", tool_call_id="toolu_f"),
        said("tool", "", tool_call_id="toolu_g"),
        said("user", [text("b"), text("c")]),
    ]


def test_calls_without_a_text_have_a_null_content() -> None:
    (message,) = messages(said("assistant", [THOUGHT, use("f")]))
    assert message == {"role": "assistant", "content": None, "tool_calls": [call("f")]}


def test_thoughts_alone_are_no_message() -> None:
    redacted = {"type": "redacted_thinking", "data": "x"}
    assert messages(said("user", "a"), said("assistant", [THOUGHT, redacted])) == [said("user", "a")]


def test_pictures_and_documents_come_with_their_data() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}}
    assert messages(said("user", [picture, linked, document]))[0]["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {
            "type": "file",
            "file": {"file_data": f"data:application/pdf;base64,{PIXEL}", "filename": "document.pdf"},
        },
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "url", "url": "https://h/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}},
        {"type": "search_result", "source": {"type": "x"}, "title": "t"},
    ],
)
def test_blocks_without_a_likeness_are_refused(block: dict[str, Any]) -> None:
    error = refused(said("user", [text("a"), block]))
    assert (error.reason, error.metadata["field"]) == ("UNSUPPORTED_CONTENT", "messages[0].content[1]")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"tool_choice": {"type": "allowed", "names": []}}, "tool_choice"),
    ],
)
def test_tools_of_the_other_protocol_are_refused(members: dict[str, Any], field: str) -> None:
    error = refused(**members)
    assert (error.reason, error.metadata["field"]) == ("UNSUPPORTED_PARAMETER", field)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"stop_sequences": ["x"], "temperature": 0.5, "top_k": 3}, {"stop": ["x"], "temperature": 0.5, "top_k": 3}),
        ({"output_config": {"effort": "high"}}, {"reasoning_effort": "high"}),
        ({"metadata": {"user_id": "u"}, "service_tier": "auto"}, {"user": "u", "service_tier": "auto"}),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
         {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"tool_choice": {"type": "tool", "name": "f"}},
         {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": {}}]},
         {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
         {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}, "service_tier": "standard_only", "container": "c"},
         {}),
    ],
)  # fmt: skip
def test_members_are_translated_or_left_out(members: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sent(**members) == {**sent(), **expected}


def test_the_limit_goes_by_the_name_that_the_backend_knows() -> None:
    assert sent()["max_tokens"] == 9
    newer = sent(newer_limit=True)
    assert newer["max_completion_tokens"] == 9
    assert "max_tokens" not in newer
