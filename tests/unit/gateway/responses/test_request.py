"""An equal conversation is the same question, whether it is asked in chat or as a response."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import request_pb2
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.privacy.privacy import PersonalData
from synapse_gateway.dialect import Asked
from synapse_gateway.openai.request import read_chat
from synapse_gateway.problems import Problem
from synapse_gateway.responses.request import read_response

RULES = QuestionRules(max_temperature=2.0, personal_data=PersonalData.ALLOW)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SAID = TEXT.filter(bool)
SCHEMA = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(TEXT, st.just({}), max_size=2)}
)
NUMBER = st.floats(0, 2)


def asked(**members: Any) -> Asked:
    return read_response(json.dumps({"model": "m", "input": "hi", **members}).encode(), {})


def key_of(request: request_pb2.GenerationRequest) -> bytes | str:
    return question_of(request, RULES).key


def both(chat: dict[str, Any], response: dict[str, Any]) -> tuple[Any, Any]:
    ours = read_response(json.dumps({"model": "m", **response}).encode(), {})
    theirs = read_chat(json.dumps({"model": "m", **chat}).encode(), {})
    return key_of(ours.request), key_of(theirs.request)


def text_parts(kind: str) -> Any:
    """A text in both forms: what chat has as a text, a response has as a text or as one part."""
    bare = TEXT.map(lambda text: (text, text))
    listed = TEXT.map(lambda text: (text, [{"type": kind, "text": text}]))
    return bare | listed


def _image(url: str) -> tuple[Any, Any]:
    return (
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    )


PICTURED = st.tuples(SAID, SAID).map(
    lambda given: (
        [{"type": "text", "text": given[0]}, _image(given[1])[0]],
        [{"type": "input_text", "text": given[0]}, _image(given[1])[1]],
    )
)


def _spoken(role: str) -> Any:
    content = text_parts("input_text") | PICTURED if role == "user" else text_parts("input_text")
    return content.map(
        lambda pair: ([{"role": role, "content": pair[0]}], [{"type": "message", "role": role, "content": pair[1]}])
    )


@st.composite
def assistant_turn(draw: Any) -> tuple[list[Any], list[Any]]:
    """What the assistant thought, said and called, and what the tools answered."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    items: list[Any] = []
    if draw(st.booleans()):
        message["reasoning_content"] = draw(SAID)
        thought = {"type": "reasoning_text", "text": message["reasoning_content"]}
        items.append({"type": "reasoning", "id": "rs_1", "summary": [], "content": [thought]})
    count = draw(st.integers(0, 2))
    if draw(st.booleans()) or not count:
        message["content"] = draw(SAID)
        part = {"type": "output_text", "text": message["content"], "annotations": [], "logprobs": []}
        items.append({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]})
    calls = [(f"call_{number}", draw(SAID), json.dumps({"x": draw(TEXT)})) for number in range(count)]
    outputs = [(call_id, draw(text_parts("input_text"))) for call_id, _, _ in calls]
    if calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
    items += [
        {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": arguments}
        for call_id, name, arguments in calls
    ]
    items += [{"type": "function_call_output", "call_id": call_id, "output": told[1]} for call_id, told in outputs]
    tools = [{"role": "tool", "tool_call_id": call_id, "content": told[0]} for call_id, told in outputs]
    return [message, *tools], items


ANSWERED = st.tuples(_spoken("user"), assistant_turn()).map(
    lambda turns: (turns[0][0] + turns[1][0], turns[0][1] + turns[1][1])
)
TURN = _spoken("user") | _spoken("developer") | ANSWERED


@st.composite
def settings(draw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that both protocols have, in the forms of both."""
    name, schema, strict = draw(SAID), draw(SCHEMA), draw(st.booleans())
    function = {"name": name, "parameters": schema, "strict": strict}
    form = {"name": "answer", "schema": schema, "strict": strict}
    pairs = [
        ({"temperature": 0.5, "top_p": 0.9, "seed": 7}, {"temperature": 0.5, "top_p": 0.9, "seed": 7}),
        ({"max_completion_tokens": 9}, {"max_output_tokens": 9}),
        ({"tools": [{"type": "function", "function": function}]}, {"tools": [{"type": "function", **function}]}),
        (
            {"response_format": {"type": "json_schema", "json_schema": form}},
            {"text": {"format": {"type": "json_schema", **form}}},
        ),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low", "format": {"type": "text"}}}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low", "summary": "auto"}}),
        ({"logprobs": True}, {"include": ["message.output_text.logprobs"]}),
        ({"logprobs": True, "top_logprobs": 3}, {"top_logprobs": 3}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": name}}},
            {"tool_choice": {"type": "function", "name": name}},
        ),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"user": name, "metadata": {"a": "b"}}, {"user": name, "metadata": {"c": "d"}}),
        ({"x_unknown": schema}, {"x_unknown": schema}),
        ({}, {"store": True, "truncation": "auto", "max_tool_calls": 3, "background": False}),
    ]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=4, unique_by=lambda pair: next(iter(pair[1]))))
    return {k: v for ours, _ in chosen for k, v in ours.items()}, {k: v for _, its in chosen for k, v in its.items()}


@given(st.lists(TURN, min_size=1, max_size=4), SAID, SAID | st.none(), settings())
def test_an_equal_conversation_in_chat_has_the_same_key(
    turns: list[Any], last: str, system: str | None, given: tuple[Any, Any]
) -> None:
    messages = [message for chat, _ in turns for message in chat] + [{"role": "user", "content": last}]
    items = [item for _, mine in turns for item in mine] + [{"role": "user", "content": last}]
    response: dict[str, Any] = {"input": items, **given[1]}
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
        response["instructions"] = system
    ours, theirs = both({"messages": messages, **given[0]}, response)
    assert ours == theirs


def test_a_bare_text_is_a_message_of_the_user() -> None:
    (message,) = asked(input="hi").request.messages
    assert (message.role, message.text) == ("user", "hi")


def test_a_custom_tool_has_the_form_of_chat() -> None:
    grammar = {"syntax": "lark", "definition": "start: X"}
    chat_tool = {"type": "custom", "custom": {"name": "t", "format": {"type": "grammar", "grammar": grammar}}}
    chat_call = {"id": "c1", "type": "custom", "custom": {"name": "t", "input": "x"}}
    chat = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [chat_call]},
        {"role": "tool", "tool_call_id": "c1", "content": "y"},
    ]
    items = [
        {"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "t", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "y"},
    ]
    tool = {"type": "custom", "name": "t", "format": {"type": "grammar", **grammar}}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "t"}]}
    named = [{"type": "custom", "custom": {"name": "t"}}]
    chat_choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}
    ours, theirs = both(
        {"messages": chat, "tools": [chat_tool], "tool_choice": chat_choice},
        {"input": items, "tools": [tool], "tool_choice": choice},
    )
    assert ours == theirs


def test_a_refusal_of_the_assistant_is_kept() -> None:
    chat = {"messages": [{"role": "assistant", "content": None, "refusal": "No."}, {"role": "user", "content": "hi"}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    ours, theirs = both(chat, {"input": [said, {"role": "user", "content": "hi"}]})
    assert ours == theirs


def test_what_follows_a_call_makes_a_message_of_parts() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    said = {"role": "assistant", "content": "so", "x_odd": 1}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    (message, _) = asked(input=[thought, call, said, thought, call, {"role": "user", "content": "hi"}]).request.messages
    assert [part.WhichOneof("part") for part in message.parts] == [
        "thinking",
        "tool_call",
        "text",
        "thinking",
        "tool_call",
    ]
    assert message.parts[2].extra_json == '{"x_odd":1}'


def test_signed_thoughts_come_back_as_they_were() -> None:
    content = [{"type": "reasoning_text", "text": "hm"}]
    signed = {"type": "reasoning", "content": content, "summary": [], "encrypted_content": "synapse.signature.zz"}
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "synapse.redacted.qq"}
    said = {"role": "assistant", "content": "so"}
    (message,) = asked(input=[signed, hidden, said]).request.messages
    first, second, third = message.parts
    assert (first.thinking.text, first.thinking.signature) == ("hm", "zz")
    assert (second.thinking.redacted_data, third.text) == ("qq", "so")


def test_two_messages_of_the_assistant_stay_two() -> None:
    said = [{"role": "assistant", "content": text, "phase": "commentary"} for text in "ab"]
    made = asked(input=said).request.messages
    assert [(message.text, message.extra_json) for message in made] == [("a", ""), ("b", "")]


def test_files_and_sounds_are_media() -> None:
    parts = [
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
        {"type": "input_file", "file_url": "https://x/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_data": "eA=="},
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        {"type": "input_image", "file_id": "file-2", "detail": "high", "image_url": None},
    ]
    (message,) = asked(input=[{"role": "user", "content": parts}]).request.messages
    sources = [part.WhichOneof("part") for part in message.parts]
    assert sources == ["file"] * 4 + ["audio", "image"]
    assert [message.parts[n].file.WhichOneof("source") for n in range(4)] == ["url", "url", "file_id", "base64_data"]
    assert (message.parts[5].image.file_id, message.parts[5].image.detail) == ("file-2", "high")


def test_streaming_and_what_is_shown_are_not_part_of_the_question() -> None:
    shown = asked(stream=True, stream_options={"include_obfuscation": False}, synapse_metadata=True, session_id="s")
    assert shown.request == asked().request
    assert (shown.stream, shown.tell_outcome) == (True, True)
    assert asked(include=["reasoning.encrypted_content"], top_logprobs=0).request == asked().request


def test_null_is_the_same_as_nothing() -> None:
    nulls = dict.fromkeys(["temperature", "tools", "text", "reasoning", "previous_response_id", "conversation"])
    assert asked(**nulls).request == asked().request
    assert asked(tools=[], text={}, reasoning={}, instructions="").request == asked().request


def test_settings_are_repeated_and_what_is_open_is_usual() -> None:
    echo = asked(temperature=0.5, reasoning={"effort": "low"}, text={"verbosity": "low"}, store=True).echo
    assert echo is not None
    assert (echo["temperature"], echo["top_p"], echo["store"]) == (0.5, None, False)
    assert echo["reasoning"] == {"effort": "low", "summary": None}
    assert echo["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert (echo["tool_choice"], echo["tools"], echo["truncation"]) == ("auto", [], "disabled")


LEAF = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["auto", "function", "message", "x"])
WORDS = ["type", "role", "content", "text", "name", "tools", "format", "call_id", "output", "effort", "summary", "mode"]
ODD = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = [
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "include",
    "top_logprobs",
    "truncation",
]
MEMBERS += ["metadata", "max_tool_calls", "max_output_tokens", "stream", "stream_options", "n", "store", "prompt"]


@given(st.dictionaries(st.sampled_from(MEMBERS), ODD, max_size=4))
def test_whatever_is_sent_is_read_or_refused(members: dict[str, Any]) -> None:
    try:
        read = asked(**members)
    except Problem:
        return
    assert read.request.messages
    assert json.dumps(read.echo)


TOOL = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"messages": []}, "messages"),
        ({"response_format": {"type": "text"}}, "response_format"),
        ({"max_tokens": 3}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [3]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "a", "file_data": "b"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "encrypted_content": "gAAA"}]}, "input[0].encrypted_content"),
        ({"input": [{"type": "reasoning", "content": "x"}]}, "input[0].content"),
        ({"instructions": 3}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "parameters": 3}]}, "tools[0].parameters"),
        ({"tools": [{**TOOL, "strict": 3}]}, "tools[0].strict"),
        ({"tools": [{"type": "custom"}]}, "tools[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.tools"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "mcp"}]}}, "tool_choice.tools[0].type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"text": "x"}, "text"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": 3}}}, "text.format.schema"),
        ({"text": {"verbosity": 3}}, "text.verbosity"),
        ({"reasoning": "low"}, "reasoning"),
        ({"reasoning": {"effort": 3}}, "reasoning.effort"),
        ({"include": "x"}, "include"),
        ({"include": [{}]}, "include[0]"),
        ({"top_logprobs": True}, "top_logprobs"),
        ({"truncation": "some"}, "truncation"),
        ({"max_tool_calls": "3"}, "max_tool_calls"),
        ({"max_output_tokens": "3"}, "max_output_tokens"),
        ({"stream": 1}, "stream"),
        ({"stream_options": {}}, "stream_options"),
        ({"stream": True, "stream_options": 3}, "stream_options"),
        ({"stream": True, "stream_options": {"include_obfuscation": 3}}, "stream_options.include_obfuscation"),
    ],
)
def test_a_wrong_request_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(Problem) as caught:
        asked(**members)
    assert (caught.value.status, caught.value.kind, caught.value.param) == (400, "invalid_request_error", param)
