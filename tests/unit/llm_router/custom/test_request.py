"""What the placeholders stand for is what an OpenAI backend would have been sent."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI, GenerationRequest, ToolChoice
from synapse_llm_router.adapters.custom.request import values_of
from synapse_llm_router.adapters.openai.request import request_body
from synapse_llm_router.adapters.prompts import TEMPLATES
from synapse_llm_router.adapters.target import Target
from synapse_llm_router.mapping import PLACEHOLDERS, CustomMapping
from tests.unit.llm_router.openai.requests import texts

OURS = {"prompt", "schema", "stream", "request_id"}
ALL = CustomMapping.model_validate(
    {
        "path": "/ask",
        "body": {name: f"{{{name}}}" for name in PLACEHOLDERS - OURS},
        "answer": {"text": "/a", "tool_calls": "/b"},
    }
)


def values(request: GenerationRequest, mapping: CustomMapping = ALL) -> Any:
    found = values_of(request, "m", mapping, TEMPLATES["plain"], Target("b", own=False))
    return orjson.loads(orjson.dumps(found))


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    request = GenerationRequest(protocol=PROTOCOL_OPENAI, extra_json='{"x_unknown":1}')
    request.messages.add(role="user", text=draw(texts))
    for name in draw(st.sets(st.sampled_from(["temperature", "top_p", "min_p", "presence_penalty"]))):
        setattr(request.sampling, name, draw(st.floats(-2, 2)))
    for name in draw(st.sets(st.sampled_from(["seed", "top_k", "max_tokens"]))):
        setattr(request.sampling, name, draw(st.integers(-(2**63), 2**63 - 1)))
    request.sampling.stop.extend(draw(st.lists(texts, max_size=2)))
    for name in draw(st.lists(texts, max_size=2)):
        request.tools.add(type="function", name=name, parameters_json='{"type":"object"}')
    if draw(st.booleans()):
        request.tool_choice.mode = draw(st.sampled_from([ToolChoice.MODE_NONE, ToolChoice.MODE_REQUIRED]))
    if draw(st.booleans()):
        request.caller.user = draw(texts)
    return request


@given(requests())
def test_what_is_mapped_comes_back(request: GenerationRequest) -> None:
    expected = orjson.loads(orjson.dumps(request_body(request, "m", "b")))
    del expected["x_unknown"]
    assert values(request) == expected


def test_the_limit_that_counts_thinking_wins() -> None:
    request = GenerationRequest()
    request.sampling.max_tokens, request.sampling.max_completion_tokens = 9, 5
    assert values(request)["max_tokens"] == 5


def test_one_stop_text_is_a_list() -> None:
    request = GenerationRequest()
    request.sampling.stop.append("x")
    request.sampling.stop_is_text = True
    assert values(request)["stop"] == ["x"]


def test_a_schema_takes_the_place_of_the_form() -> None:
    mapping = CustomMapping.model_validate(
        {"path": "/ask", "body": {"q": "{prompt}", "s": "{schema}"}, "answer": {"text": "/a"}}
    )
    request = GenerationRequest()
    request.response_format.type = "json_schema"
    request.response_format.json_schema_json = '{"schema":{"b":1,"a":2}}'
    assert list(values(request, mapping)["schema"]) == ["b", "a"]
