"""What a question says is in Ollama's request, and reads back from it as it was."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1.content_pb2 import Message
from synapse.llm.v1.request_pb2 import (
    GENERATION_KIND_COMPLETION,
    PROTOCOL_ANTHROPIC,
    PROTOCOL_OPENAI,
    GenerationRequest,
    ToolChoice,
)
from synapse_llm_router.adapters.ollama.request import request_bytes
from synapse_runtime.errors import InvalidArgument
from tests.unit.llm_router.ollama.reader import NAMES, read
from tests.unit.llm_router.openai.requests import objects, texts

json_objects = objects.map(lambda value: orjson.dumps(value).decode())
calls = st.lists(st.tuples(texts.filter(bool), texts, json_objects), max_size=2)


def body_of(request: GenerationRequest, *, stream: bool = False) -> Any:
    return orjson.loads(request_bytes(request, request.model, "b", stream=stream))


def chat(*messages: Message, **members: Any) -> GenerationRequest:
    return GenerationRequest(model="m", protocol=PROTOCOL_OPENAI, messages=messages, **members)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    role = draw(st.sampled_from(["system", "user", "assistant", "tool", "control"]))
    message = Message(role=role)
    if draw(st.booleans()):
        message.text = draw(texts)
    else:
        message.parts.add(text=draw(texts))
        for data in draw(st.lists(st.just("aGk="), min_size=1, max_size=2)):
            message.parts.add().image.base64_data = data
    if draw(st.booleans()):
        message.reasoning = draw(texts)
    for call_id, name, arguments in draw(calls):
        message.tool_calls.add(id=call_id, type="function", name=name, arguments=arguments)
    if role == "tool":
        message.tool_call_id = draw(texts.filter(bool))
    return message


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    request = chat(*draw(st.lists(messages(), max_size=4)))
    if draw(st.booleans()):
        request.messages.clear()
        request.kind = GENERATION_KIND_COMPLETION
        request.prompt.texts.append(draw(texts))
        if draw(st.booleans()):
            request.prompt.suffix = draw(texts.filter(bool))
    for name in draw(st.sets(st.sampled_from(NAMES))):
        integer = name in {"top_k", "seed"}
        value = draw(st.integers(-(2**63), 2**63 - 1) if integer else st.floats(-2, 2))
        setattr(request.sampling, name, value)
    request.sampling.stop.extend(draw(st.lists(texts, max_size=2)))
    if draw(st.booleans()):
        request.sampling.max_tokens = draw(st.integers(-2, 2**40))
    if draw(st.booleans()):
        request.sampling.logprobs, request.sampling.top_logprobs = True, draw(st.integers(0, 20))
    for name in draw(st.lists(texts, max_size=2)):
        tool = request.tools.add(type="function", name=name, parameters_json=draw(json_objects))
        if draw(st.booleans()):
            tool.description = draw(texts)
    draw(forms(request))
    return request


@st.composite
def forms(draw: st.DrawFn, request: GenerationRequest) -> None:
    form = draw(st.sampled_from(["", "json_object", "json_schema"]))
    if form:
        request.response_format.type = form
    if form == "json_schema":
        schema = orjson.dumps({"schema": orjson.loads(draw(json_objects))}).decode()
        request.response_format.json_schema_json = schema
    match draw(st.sampled_from(["", "low", "medium", "high", "max", "on", "off"])):
        case "on" | "off" as switch:
            request.reasoning.enabled = switch == "on"
        case "":
            pass
        case effort:
            request.reasoning.effort = effort


@given(requests())
def test_what_is_mapped_comes_back(request: GenerationRequest) -> None:
    back = read(body_of(request))
    if not request.HasField("sampling") or not request.sampling.ListFields():
        request.ClearField("sampling")
        back.ClearField("sampling")
    assert back == request


@pytest.mark.parametrize("stream", [True, False])
def test_streaming_is_always_said(*, stream: bool) -> None:
    assert body_of(chat(), stream=stream)["stream"] is stream


def test_the_result_of_a_tool_names_the_tool() -> None:
    asked = Message(role="assistant")
    asked.tool_calls.add(id="c1", type="function", name="weather", arguments='{"b":1,"a":12345678901234567890123}')
    answered = Message(role="tool", tool_call_id="c1", text="7")
    raw = request_bytes(chat(asked, answered), "m", "b", stream=False)
    assert b'"arguments":{"b":1,"a":12345678901234567890123}' in raw
    result = orjson.loads(raw)["messages"][1]
    assert result == {"role": "tool", "content": "7", "tool_name": "weather", "tool_call_id": "c1"}


def test_parts_of_anthropic_turns_keep_their_order() -> None:
    said = Message(role="assistant")
    said.parts.add().thinking.text = "Hm."
    said.parts.add(text="Let me see.")
    call = said.parts.add().tool_call
    call.id, call.type, call.name, call.arguments = "c1", "function", "weather", '{"city":"Ulm"}'
    said.parts.add(text="Meanwhile:")
    answered = Message(role="user")
    answered.parts.add(text="Here.")
    result = answered.parts.add().tool_result
    result.tool_call_id, result.text = "c1", "7"
    answered.parts.add(text="And?")
    call_body = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}
    assert body_of(chat(said, answered))["messages"] == [
        {"role": "assistant", "content": "Let me see.", "thinking": "Hm.", "tool_calls": [call_body]},
        {"role": "assistant", "content": "Meanwhile:"},
        {"role": "user", "content": "Here."},
        {"role": "tool", "content": "7", "tool_name": "weather", "tool_call_id": "c1"},
        {"role": "user", "content": "And?"},
    ]


def test_pictures_in_the_result_of_a_tool_go_with_it() -> None:
    message = Message(role="user")
    result = message.parts.add().tool_result
    result.parts.add(text="a chart")
    result.parts.add().image.base64_data = "aGk="
    assert body_of(chat(message))["messages"] == [{"role": "tool", "content": "a chart", "images": ["aGk="]}]


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:image/png;base64,aGk=", "aGk="),
        ("DATA:image/png;charset=x;BASE64,aGk=", "aGk="),
        ("data:,hi", "aGk="),
        ("data:image/svg+xml,%68%69", "aGk="),
    ],
)
def test_data_urls_are_unpacked(url: str, data: str) -> None:
    message = Message(role="user")
    message.parts.add(text="look")
    message.parts.add().image.url = url
    assert body_of(chat(message))["messages"] == [{"role": "user", "content": "look", "images": [data]}]


def test_roles_and_refusals_of_openai_are_said_in_ollamas_words() -> None:
    brief = Message(role="developer", text="Be brief.")
    told = Message(role="function", name="weather", text="7")
    refused = Message(role="assistant", refusal="No.")
    assert body_of(chat(brief, told, refused))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "tool", "content": "7", "tool_name": "weather"},
        {"role": "assistant", "content": "No."},
    ]


@pytest.mark.parametrize(
    ("effort", "enabled", "think"),
    [
        ("none", None, False),
        ("minimal", None, "low"),
        ("xhigh", None, "max"),
        ("high", True, "high"),
        ("high", False, False),
        (None, True, True),
        (None, None, None),
    ],
)
def test_thinking_is_asked_for_by_level_or_switch(effort: str | None, enabled: bool | None, think: Any) -> None:  # noqa: FBT001
    request = chat()
    if effort is not None:
        request.reasoning.effort = effort
    if enabled is not None:
        request.reasoning.enabled = enabled
    request.reasoning.budget_tokens = 1000
    assert body_of(request).get("think") == think


def test_a_plain_completion_is_raw_unless_something_follows_it() -> None:
    request = GenerationRequest(model="m", kind=GENERATION_KIND_COMPLETION)
    request.prompt.texts.append("Once")
    assert body_of(request) == {"model": "m", "prompt": "Once", "raw": True, "stream": False}
    request.prompt.suffix = "end."
    assert body_of(request) == {"model": "m", "prompt": "Once", "suffix": "end.", "stream": False}


def test_no_tool_may_be_called_means_no_tools() -> None:
    request = chat()
    request.tools.add(type="function", name="weather")
    assert body_of(request)["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    request.tool_choice.mode = ToolChoice.MODE_NONE
    assert "tools" not in body_of(request)


def test_only_documented_extras_go_along_and_never_override() -> None:
    extras = '{"options":{"num_ctx":8192,"seed":1},"keep_alive":"10m","guided_choice":["a"],"model":"x"}'
    request = chat(extra_json=extras)
    request.sampling.seed = 7
    body = body_of(request)
    assert body["options"] == {"seed": 7, "num_ctx": 8192}
    assert (body["keep_alive"], body["model"]) == ("10m", "m")
    assert "guided_choice" not in body
    request.protocol = PROTOCOL_ANTHROPIC
    assert "keep_alive" not in body_of(request)


@pytest.mark.parametrize("schema", ["{}", '{"schema":true}', "{", "[]"])
def test_a_form_without_a_schema_is_wrong(schema: str) -> None:
    request = chat()
    request.response_format.type, request.response_format.json_schema_json = "json_schema", schema
    with pytest.raises(InvalidArgument):
        body_of(request)


def test_a_speakers_name_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"'b' cannot take messages\[0\]\.name"):
        body_of(chat(Message(role="user", name="Ann", text="a")))


def test_a_legacy_call_in_a_message_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"messages\[0\]\.function_call"):
        body_of(chat(Message(role="assistant", extra_json='{"function_call":{"name":"f"}}')))
