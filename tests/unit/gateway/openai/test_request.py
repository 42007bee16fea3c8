"""OpenAI's requests reach the canonical form whole."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import request_pb2
from synapse_gateway.dialect import Asked
from synapse_gateway.openai import request as reader
from synapse_gateway.problems import Problem
from tests.unit.gateway.openai.back import request_json

Shape: TypeAlias = dict[str, st.SearchStrategy[Any]]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
EXTRA = st.dictionaries(TEXT.map(lambda name: "x_" + name), JSON, max_size=2)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)


def read_chat(body: bytes) -> Asked:
    return reader.read_chat(body, {})


def read_completion(body: bytes) -> Asked:
    return reader.read_completion(body, {})


def shaped(required: Shape, optional: Shape | None = None) -> st.SearchStrategy[Any]:
    """Objects of these members and some that nobody knows."""
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(lambda members, extra: {**members, **extra}, known, EXTRA)


URL = shaped({"url": TEXT}, {"detail": TEXT})
PART = st.one_of(
    shaped({"type": st.just("text"), "text": TEXT}),
    shaped({"type": st.just("refusal"), "refusal": TEXT}),
    shaped({"type": st.just("image_url"), "image_url": URL}),
    shaped({"type": st.just("video_url"), "video_url": URL}),
    shaped({"type": st.just("input_audio"), "input_audio": shaped({"data": TEXT, "format": TEXT})}),
    shaped(
        {
            "type": st.just("file"),
            "file": shaped({}, {"file_id": TEXT, "file_data": TEXT | st.just("data:a/b,c"), "filename": TEXT}),
        }
    ),
    shaped({"type": st.just("hologram"), "hologram": JSON}),
)
CALL = shaped({"id": TEXT, "type": st.just("function"), "function": shaped({"name": TEXT, "arguments": TEXT})})
CUSTOM_CALL = shaped({"id": TEXT, "type": st.just("custom"), "custom": OBJECT})
MESSAGE = shaped(
    {"role": TEXT},
    {
        "content": TEXT | st.lists(PART, max_size=3),
        "name": TEXT,
        "tool_call_id": TEXT,
        "refusal": TEXT,
        "reasoning_content": TEXT,
        "reasoning": JSON,
        "tool_calls": st.lists(CALL | CUSTOM_CALL, min_size=1, max_size=2),
        "function_call": OBJECT,
    },
)
FUNCTION = shaped({"name": TEXT}, {"description": TEXT, "parameters": OBJECT, "strict": st.booleans()})
TOOL = shaped({"type": st.just("function"), "function": FUNCTION}) | shaped({"type": st.just("custom"), "custom": JSON})
CHOICE = (
    st.sampled_from(["auto", "none", "required", "validated"])
    | shaped({"type": st.just("function"), "function": shaped({"name": TEXT})})
    | shaped({"type": st.just("allowed_tools")})
)
FORMAT = shaped({"type": st.just("json_schema"), "json_schema": OBJECT}) | shaped(
    {"type": st.sampled_from(["text", "json_object", "grammar"])}
)
NUMBER = st.integers(-5, 5) | st.floats(-2, 2)
INT64 = st.integers(-(2**63), 2**63 - 1)
SHARED = {
    "temperature": NUMBER,
    "top_p": NUMBER,
    "min_p": NUMBER,
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "top_k": INT64,
    "seed": INT64,
    "max_tokens": INT64,
    "n": st.integers(1, 128),
    "stop": TEXT | st.lists(TEXT, max_size=3),
    "logit_bias": st.dictionaries(TEXT, NUMBER, max_size=2),
    "user": TEXT,
    "safety_identifier": TEXT,
    "metadata": OBJECT,
    "store": st.booleans(),
    "service_tier": TEXT,
    "prompt_cache_key": TEXT,
}
CHAT = shaped(
    {"model": st.text("abc/-", min_size=1), "messages": st.lists(MESSAGE, min_size=1, max_size=3)},
    {
        **SHARED,
        "max_completion_tokens": INT64,
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "tools": st.lists(TOOL, max_size=2),
        "tool_choice": CHOICE,
        "parallel_tool_calls": st.booleans(),
        "response_format": FORMAT,
        "reasoning_effort": TEXT,
        "modalities": st.lists(TEXT, max_size=2),
        "functions": JSON,
    },
)
TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3)
COMPLETION = shaped(
    {"model": st.text("abc/-", min_size=1)},
    {
        **SHARED,
        "prompt": TEXT | st.lists(TEXT, min_size=1, max_size=2) | TOKENS | st.lists(TOKENS, min_size=1, max_size=2),
        "suffix": TEXT,
        "echo": st.booleans(),
        "logprobs": st.integers(0, 5),
        "best_of": st.integers(0, 20),
    },
)


@given(CHAT)
def test_a_chat_request_loses_nothing(body: dict[str, Any]) -> None:
    asked = read_chat(json.dumps(body).encode())
    assert request_json(asked.request) == body


@given(COMPLETION)
def test_a_completion_request_loses_nothing(body: dict[str, Any]) -> None:
    asked = read_completion(json.dumps(body).encode())
    assert request_json(asked.request) == body


def chat(**members: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}).encode()


def test_integers_of_any_size_stay_integers() -> None:
    asked = read_chat(chat(x_id=2**200, x_small=1, x_float=1.0))
    assert asked.request.extra_json == f'{{"x_id":{2**200},"x_small":1,"x_float":1.0}}'


def test_the_order_of_schema_members_is_kept() -> None:
    schema = {"name": "s", "schema": {"properties": {"z": {}, "a": {}}}}
    asked = read_chat(chat(response_format={"type": "json_schema", "json_schema": schema}))
    assert asked.request.response_format.json_schema_json == json.dumps(schema, separators=(",", ":"))


def test_streaming_and_our_own_members_are_not_part_of_the_question() -> None:
    plain = read_chat(chat())
    asked = read_chat(chat(stream=True, stream_options={"include_usage": True}, synapse_metadata=True, session_id="s1"))
    assert asked.request == plain.request
    assert (asked.stream, asked.include_usage, asked.tell_outcome) == (True, True, True)
    assert (plain.stream, plain.include_usage, plain.tell_outcome) == (False, False, False)


def test_null_is_the_same_as_nothing() -> None:
    nulls = dict.fromkeys(["temperature", "stop", "tools", "tool_choice", "response_format", "user", "n", "stream"])
    assert read_chat(chat(**nulls)).request == read_chat(chat()).request


def test_null_content_differs_from_empty_content() -> None:
    null = read_chat(chat(messages=[{"role": "assistant", "content": None}])).request.messages[0]
    empty = read_chat(chat(messages=[{"role": "assistant", "content": ""}])).request.messages[0]
    assert not null.HasField("text")
    assert empty.HasField("text")


def test_the_protocol_and_the_kind_are_told() -> None:
    assert read_chat(chat()).request.protocol == request_pb2.PROTOCOL_OPENAI
    assert read_completion(b'{"model":"m","prompt":"x"}').request.kind == request_pb2.GENERATION_KIND_COMPLETION


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"messages":[]}', "model"),
        (b'{"model":1}', "model"),
        (b'{"model":""}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":[1]}', "messages[0]"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":1}]}', "messages[0].content"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}', "messages[0].content[0].type"),
        (b'{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}', "messages[0].content[0].text"),
        (chat(n=0), "n"),
        (chat(n=129), "n"),
        (chat(n=True), "n"),
        (chat(temperature="hot"), "temperature"),
        (chat(max_tokens=1.5), "max_tokens"),
        (chat(seed=2**63), "seed"),
        (chat(stop=3), "stop"),
        (chat(stop=["a", 3]), "stop[1]"),
        (chat(stream="yes"), "stream"),
        (chat(stream_options={}), "stream_options"),
        (chat(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (chat(tools=[{"type": "function"}]), "tools[0].function"),
        (chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (chat(tool_choice=3), "tool_choice"),
        (chat(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (chat(metadata=[]), "metadata"),
        (chat(logit_bias=[1]), "logit_bias"),
    ],
)
def test_a_wrong_request_is_refused_by_name(body: bytes, param: str | None) -> None:
    with pytest.raises(Problem) as caught:
        read_chat(body)
    assert (caught.value.status, caught.value.kind, caught.value.param) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("prompt", [1, [], {"a": 1}, ["a", 1], [1, -1], [2**31]])
def test_a_wrong_prompt_is_refused(prompt: object) -> None:
    with pytest.raises(Problem):
        read_completion(json.dumps({"model": "m", "prompt": prompt}).encode())
