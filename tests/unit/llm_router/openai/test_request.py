"""A question reaches the backend as it was asked."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from synapse.llm.v1 import request_pb2
from synapse_llm_router.adapters.openai.request import request_bytes
from synapse_runtime.errors import InvalidArgument
from tests.unit.llm_router.openai.reader import read_request
from tests.unit.llm_router.openai.requests import chat_requests, completion_requests


def sent(request: request_pb2.GenerationRequest, **how: Any) -> dict[str, Any]:
    body = orjson.loads(request_bytes(request, request.model, "double", stream=how.pop("stream", False), **how))
    assert isinstance(body, dict)
    return body


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **members}


def with_null_content(body: dict[str, Any]) -> dict[str, Any]:
    """The request with null contents as they are sent: a null is the same as nothing, and told beside calls only."""
    messages = []
    for message in body["messages"]:
        told = {name: value for name, value in message.items() if (name, value) != ("content", None)}
        beside_calls = {"content": None} if told.get("tool_calls") else {}
        messages.append({**beside_calls, **told})
    return {**body, "messages": messages}


@settings(max_examples=300, deadline=None)
@given(chat_requests)
def test_every_chat_request_comes_out_as_it_went_in(body: dict[str, Any]) -> None:
    assert sent(read_request(body)) == with_null_content(body)


@settings(max_examples=150, deadline=None)
@given(completion_requests)
def test_every_completion_comes_out_as_it_went_in(body: dict[str, Any]) -> None:
    assert sent(read_request(body)) == body


@pytest.mark.parametrize(
    "member",
    [
        {"temperature": "hot"},
        {"n": "two"},
        {"logprobs": 3},
        {"user": 7},
        {"logit_bias": [1]},
        {"response_format": "json"},
        {"store": "yes"},
    ],
)
def test_values_of_a_wrong_type_are_left_to_the_backend(member: dict[str, Any]) -> None:
    assert sent(read_request(chat(**member))) == chat(**member)


def test_whole_numbers_stay_whole() -> None:
    request = read_request(chat(seed=2**62 + 1, x_big=2**63 + 1, max_tokens=5))
    text = request_bytes(request, "m", "double", stream=False).decode()
    assert f'"seed":{2**62 + 1}' in text
    assert f'"x_big":{2**63 + 1}' in text
    assert '"max_tokens":5' in text


def test_the_order_inside_a_schema_is_kept_byte_for_byte() -> None:
    schema = '{"name":"s","schema":{"z":1.0,  "a":1e3}}'
    request = request_pb2.GenerationRequest(model="m")
    request.response_format.type = "json_schema"
    request.response_format.json_schema_json = schema
    assert schema.encode() in request_bytes(request, "m", "double", stream=False)


def test_extras_never_override_what_is_known() -> None:
    request = read_request(chat(temperature=0.5))
    request.messages[0].extra_json = '{"role":"system","content":"obey","x":1}'
    request.extra_json = '{"model":"other","temperature":2,"messages":[],"x":1}'
    body = sent(request)
    assert body == {**chat(temperature=0.5, x=1), "messages": [{"role": "user", "content": "Hi", "x": 1}]}


def test_extras_go_only_to_backends_of_their_protocol() -> None:
    request = read_request(chat(x=1, tools=[{"type": "function", "function": {"name": "f", "y": 2}, "z": 3}]))
    request.protocol = request_pb2.PROTOCOL_ANTHROPIC
    assert sent(request) == chat(tools=[{"type": "function", "function": {"name": "f"}}])


def test_streaming_is_decided_here_alone() -> None:
    request = read_request(chat())
    request.extra_json = '{"stream":true,"stream_options":{"include_usage":false}}'
    assert sent(request) == chat()
    assert sent(request, stream=True) == chat(stream=True, stream_options={"include_usage": True})
    assert sent(request, stream=True, ask_usage=False) == chat(stream=True)


def test_data_of_a_picture_becomes_a_data_url() -> None:
    request = request_pb2.GenerationRequest(model="m")
    image = request.messages.add(role="user").parts.add().image
    image.base64_data, image.media_type = "aGk=", "image/png"
    part = sent(request)["messages"][0]["content"][0]
    assert part == {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"a":NaN}', '{},"model":"other"'])
def test_extras_that_are_no_object_are_refused(text: str) -> None:
    request = request_pb2.GenerationRequest(model="m", protocol=request_pb2.PROTOCOL_OPENAI, extra_json=text)
    with pytest.raises(InvalidArgument, match="extra_json"):
        request_bytes(request, "m", "double", stream=False)


@pytest.mark.parametrize("field", ["logit_bias_json", "metadata_json", "json_schema_json", "parameters_json"])
def test_json_texts_cannot_smuggle_members(field: str) -> None:
    request = request_pb2.GenerationRequest(model="m")
    holder = {
        "logit_bias_json": request.sampling,
        "metadata_json": request.caller,
        "json_schema_json": request.response_format,
        "parameters_json": request.tools.add(type="function"),
    }[field]
    setattr(holder, field, '{},"model":"other"')
    with pytest.raises(InvalidArgument, match=field):
        request_bytes(request, "m", "double", stream=False)


def test_opaque_parts_of_another_protocol_are_refused() -> None:
    request = request_pb2.GenerationRequest(model="m", protocol=request_pb2.PROTOCOL_ANTHROPIC)
    request.messages.add(role="user").parts.add(opaque_json=json.dumps({"type": "x"}))
    with pytest.raises(InvalidArgument, match=r"'double' cannot take messages\[0\].content\[0\]") as caught:
        sent(request)
    assert caught.value.reason == "UNSUPPORTED_CONTENT"


def test_the_callers_key_never_stands_in_the_body() -> None:
    request = read_request(chat(user="u"))
    request.caller.provider_key = "sk-theirs"
    assert sent(request) == chat(user="u")


def test_empty_roles_and_ids_are_kept_and_no_text_beside_calls_is_a_null() -> None:
    call = {"id": "", "type": "function", "function": {"name": "f", "arguments": ""}}
    calls = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"model": "m", "messages": [{"role": "", "content": ""}, calls]}
    assert sent(read_request(body)) == body
    del calls["content"]
    assert sent(read_request(body))["messages"][1]["content"] is None
