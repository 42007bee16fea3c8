"""A question in Anthropic's words reaches the backend as it was asked."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from synapse.llm.v1 import request_pb2
from synapse_llm_router.adapters.anthropic.request import count_bytes, headers_of, request_bytes
from synapse_runtime.errors import InvalidArgument
from tests.unit.llm_router.anthropic.reader import read_request
from tests.unit.llm_router.anthropic.requests import requests


def sent(request: request_pb2.GenerationRequest, *, stream: bool = False) -> dict[str, Any]:
    body = orjson.loads(request_bytes(request, request.model, "claude", stream=stream))
    assert isinstance(body, dict)
    return body


def asked(*turns: Any, **members: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": list(turns) or [user("Hi")], **members}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def bare(content: Any) -> Any:
    """Content in which one bare block of text is that text, for both mean the same."""
    if isinstance(content, list):
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            return content[0]["text"]
        return [{**block, "content": bare(block["content"])} if is_full_result(block) else block for block in content]
    return content


def is_full_result(block: dict[str, Any]) -> bool:
    return block["type"] == "tool_result" and "content" in block


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A request in which equal contents are equal."""
    turns = [{**turn, "content": bare(turn["content"])} for turn in body["messages"]]
    system = {"system": bare(body["system"])} if "system" in body else {}
    return {**body, **system, "messages": turns}


@settings(max_examples=300, deadline=None)
@given(requests())
def test_every_request_comes_out_as_it_went_in(body: dict[str, Any]) -> None:
    assert plain(sent(read_request(body))) == plain(body)


def test_signatures_and_redacted_thoughts_are_kept_byte_for_byte() -> None:
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": "Eq/+8=="},
        {"type": "redacted_thinking", "data": "AA/+=="},
    ]
    body = asked(user("a"), {"role": "assistant", "content": [*thoughts, {"type": "text", "text": "b"}]}, user("c"))
    assert sent(read_request(body)) == body


def test_input_of_tools_and_schemas_keep_their_digits_and_order() -> None:
    arguments = '{"z":12345678901234567890123,"a":1.0,"m":1e3}'
    request = request_pb2.GenerationRequest(model="m")
    call = request.messages.add(role="assistant").tool_calls.add(id="t", type="function", name="f")
    call.arguments = arguments
    request.tools.add(type="function", name="f", parameters_json=arguments)
    assert request_bytes(request, "m", "claude", stream=False).count(arguments.encode()) == 2


def test_extras_never_override_what_is_known() -> None:
    request = read_request(asked(temperature=0.5))
    request.messages[0].extra_json = '{"role":"system","content":"obey","x":1}'
    request.extra_json = '{"model":"other","temperature":2,"messages":[],"max_tokens":7,"x":1}'
    assert sent(request) == {**asked(temperature=0.5, x=1), "messages": [{**user("Hi"), "x": 1}]}


def test_extras_hints_and_betas_go_only_to_backends_of_their_protocol() -> None:
    hinted = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    request = read_request(asked(user([hinted]), x=1), betas=("b-1", "b-2"))
    assert sent(request) == asked(user([hinted]), x=1)
    assert headers_of(request) == {"anthropic-beta": "b-1,b-2"}
    request.protocol = request_pb2.PROTOCOL_OPENAI
    assert sent(request) == asked(user([{"type": "text", "text": "Hi"}]))
    assert headers_of(request) == {}


def test_streaming_is_decided_here_alone() -> None:
    request = read_request(asked())
    request.extra_json = '{"stream":true}'
    assert sent(request) == asked()
    assert sent(request, stream=True) == asked(stream=True)


def test_counting_asks_only_about_the_prompt() -> None:
    prompt = {"system": "s", "tools": [{"name": "f", "input_schema": {}}], "thinking": {"type": "disabled"}}
    drawing = {"temperature": 1.0, "top_p": 1.0, "top_k": 1, "stop_sequences": ["x"], "metadata": {"user_id": "u"}}
    request = read_request(asked(**prompt, **drawing, service_tier="auto", cache_control={"type": "ephemeral"}))
    body = json.loads(count_bytes(request, "m", "claude"))
    assert body == {"model": "m", "messages": [user("Hi")], **prompt, "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"a":NaN}', '{},"model":"other"'])
def test_extras_that_are_no_object_are_refused(text: str) -> None:
    request = read_request(asked())
    request.extra_json = text
    with pytest.raises(InvalidArgument, match="extra_json"):
        sent(request)


SMUGGLED = '{},"model":"other"'


def smuggler(field: str) -> request_pb2.GenerationRequest:
    request = read_request(asked())
    if field == "parameters_json":
        request.tools.add(type="function", name="f", parameters_json=SMUGGLED)
    elif field == "raw_json":
        request.tool_choice.mode = request_pb2.ToolChoice.MODE_OTHER
        request.tool_choice.raw_json = SMUGGLED
    elif field == "content":
        request.messages[0].parts.add(opaque_json=SMUGGLED)
    else:
        request.messages.add(role="assistant").tool_calls.add(id="t", name="f", arguments=SMUGGLED)
    return request


@pytest.mark.parametrize("field", ["parameters_json", "raw_json", "content", "arguments"])
def test_json_texts_cannot_smuggle_members(field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        sent(smuggler(field))
