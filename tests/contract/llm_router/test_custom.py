"""A backend with a protocol of its own is asked and understood as its mapping says, and in no other way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GenerationRequest, ToolChoice
from synapse_llm_router.ports import ListingFailed, Upstream
from tests.contract.llm_router.asking import SIZES, TERMS, asking, events, failure, responses, whole
from tests.contract.llm_router.native import (
    CONTENT,
    PARAMETER,
    completion,
    having,
    question,
    refused,
    streamed,
    with_part,
    with_tool,
)
from tests.support.custom_upstream import MAPPING, METER, WORDS, CustomDouble, custom_double
from tests.support.ollama_upstream import ndjson

TEXT = "".join(WORDS)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
CHAT = {
    "path": "/ask",
    "body": {"messages": "{messages}", "tools": "{tools}"},
    "answer": {"text": "/text", "reasoning": "/thought", "tool_calls": "/calls"},
    "stream": {"framing": "ndjson", "path": "/ask-live", "text": "/text", "tool_calls": "/calls", "done_data": "over"},
}
CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": {"city": "Ulm"}}}


@pytest.fixture
async def double() -> AsyncIterator[CustomDouble]:
    async with custom_double() as running:
        yield running


@pytest.fixture
async def upstream(double: CustomDouble) -> AsyncIterator[Upstream]:
    async with asking(
        double, api_type="custom", custom=MAPPING, chat_template="plain", api_key="k", **SIZES
    ) as running:
        yield running


@pytest.fixture
async def chat(double: CustomDouble) -> AsyncIterator[Upstream]:
    async with asking(double, api_type="custom", custom=CHAT) as running:
        yield running


async def test_a_question_is_written_as_the_mapping_says(upstream: Upstream, double: CustomDouble) -> None:
    request = having("sampling", temperature=0.5, max_completion_tokens=9)
    request.sampling.stop.append("x")
    request.caller.user = "u"
    request.model = "org/m 1"
    await whole(upstream, request)
    (received,) = double.requests
    assert (received.method, received.path) == ("POST", "/models/org%2Fm%201/ask")
    assert received.body == {
        "question": "Q: User: Hello?\nAssistant:",
        "knobs": {"heat": 0.5, "most": 9, "ends": ["x"]},
        "tags": ["mesh", "u"],
        "note": "{org/m 1}",
    }


async def test_members_without_a_value_are_left_out(upstream: Upstream, double: CustomDouble) -> None:
    await whole(upstream, completion("Once"))
    assert double.requests[0].body == {"question": "Q: Once", "knobs": {}, "tags": ["mesh"], "note": "{m}"}


async def test_the_headers_are_those_of_the_mapping(upstream: Upstream, double: CustomDouble) -> None:
    await whole(upstream, question())
    headers = double.requests[0].headers
    assert (headers["x-secret"], headers["x-call"]) == ("k", TERMS.request_id)
    assert "authorization" not in headers


@BOTH
async def test_an_answer_is_found_at_its_places(upstream: Upstream, *, stream: bool) -> None:
    if stream:
        answer = await streamed(upstream, question())
        text, end, usage = answer.text, answer.last.finish_reason, answer.usage
    else:
        told = await whole(upstream, question())
        text, end, usage = told.choices[0].content, told.choices[0].finish_reason, told.usage
    assert (text, end) == (TEXT, llm.FINISH_REASON_STOP)
    assert usage == llm.Usage(
        prompt_tokens=METER["in"], completion_tokens=METER["out"], total_tokens=METER["in"] + METER["out"]
    )


@BOTH
@pytest.mark.parametrize(
    ("why", "reason", "detail"),
    [
        ("too long", llm.FINISH_REASON_LENGTH, ""),
        ("content_filter", llm.FINISH_REASON_CONTENT_FILTER, ""),
        ("bored", llm.FINISH_REASON_OTHER, "bored"),
        (None, llm.FINISH_REASON_STOP, ""),
    ],
)
async def test_words_for_the_end_are_translated(
    upstream: Upstream, double: CustomDouble, why: str | None, reason: int, detail: str, *, stream: bool
) -> None:
    double.why = why
    if stream:
        last: Any = (await streamed(upstream, question())).last
    else:
        last = (await whole(upstream, question())).choices[0]
    assert (last.finish_reason, last.finish_detail) == (reason, detail)


@BOTH
async def test_an_error_stands_where_the_mapping_says(
    upstream: Upstream, double: CustomDouble, *, stream: bool
) -> None:
    failed = {"sorry": {"code": 429}, "message": "Nein."}
    double.behaviour.body = None if stream else ndjson(failed)
    double.behaviour.events = [ndjson({"piece": "a"}), ndjson(failed)]
    error, said = await failure(upstream, question(), streamed=stream)
    assert (error.code.name, error.reason, error.message) == ("UNAVAILABLE", "PROVIDER_ERROR", "Nein.")
    assert bool(said) == stream


async def test_places_that_hold_nothing_are_no_error(upstream: Upstream, double: CustomDouble) -> None:
    double.behaviour.body = ndjson({"sorry": None, "said": {"text": "a", "why": None}, "error": "of another kind"})
    assert (await whole(upstream, question())).choices[0].content == "a"


@pytest.mark.parametrize("body", [{"said": {}}, {"said": {"text": 3}}, {"said": {"text": "a", "why": 3}}, [1]])
async def test_an_answer_of_another_form_is_invalid(upstream: Upstream, double: CustomDouble, body: Any) -> None:
    double.behaviour.body = ndjson(body)
    assert (await failure(upstream, question(), streamed=False))[0].reason == "UPSTREAM_INVALID"


@pytest.mark.parametrize("line", [{"piece": 3}, {"over": True, "meter": {"in": "x", "out": 1}}])
async def test_a_line_of_another_form_is_invalid(upstream: Upstream, double: CustomDouble, line: Any) -> None:
    double.behaviour.events = [ndjson(line)]
    assert (await failure(upstream, question(), streamed=True))[0].reason == "UPSTREAM_INVALID"


async def test_a_backend_without_streams_answers_in_one_event(double: CustomDouble) -> None:
    mapping = {**MAPPING, "stream": None}
    async with asking(double, api_type="custom", custom=mapping) as upstream:
        (response,) = await responses(upstream, question())
    (event,) = response.events
    (delta,) = event.deltas
    assert (delta.content, delta.finish_reason) == (TEXT, llm.FINISH_REASON_STOP)
    assert response.origin.backend == "double"
    assert event.usage.total_tokens == METER["in"] + METER["out"]


async def test_messages_go_in_the_openai_form_with_tools_and_pictures(chat: Upstream, double: CustomDouble) -> None:
    request = with_tool()
    request.messages.add(role="user").parts.add().image.url = "http://x/a.png"
    request.messages.add(role="assistant").tool_calls.add(id="c", type="function", name="weather", arguments="{}")
    request.messages.add(role="tool", tool_call_id="c", text="7")
    double.behaviour.body = ndjson({"text": "a"})
    await whole(chat, request)
    body = double.requests[0].body
    assert body["tools"][0]["function"]["name"] == "weather"
    assert body["messages"][1]["content"] == [{"type": "image_url", "image_url": {"url": "http://x/a.png"}}]
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "c", "content": "7"}


async def test_calls_of_tools_come_back(chat: Upstream, double: CustomDouble) -> None:
    double.behaviour.body = ndjson({"text": None, "calls": [CALL], "thought": "Hm."})
    (choice,) = (await whole(chat, with_tool())).choices
    (call,) = choice.tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "weather", '{"city":"Ulm"}')
    assert (choice.finish_reason, choice.reasoning.text) == (llm.FINISH_REASON_TOOL_CALLS, "Hm.")


async def test_calls_of_tools_are_streamed(chat: Upstream, double: CustomDouble) -> None:
    piece = {"index": 0, "function": {"arguments": '{"city":'}}
    double.behaviour.events = [
        ndjson({"calls": [{**piece, "id": "c", "type": "function"}]}),
        ndjson({"calls": [{"index": 0, "function": {"arguments": '"Ulm"}'}}]}),
        b"over\n",
    ]
    told = await events(chat, with_tool())
    calls = [call for event in told for delta in event.deltas for call in delta.tool_calls]
    assert "".join(call.arguments for call in calls) == '{"city":"Ulm"}'
    assert told[-1].deltas[0].finish_reason == llm.FINISH_REASON_TOOL_CALLS


async def test_its_models_must_be_configured(upstream: Upstream) -> None:
    with pytest.raises(ListingFailed):
        await upstream.list_models()
    assert await upstream.count_tokens(question(), "m", TERMS) is None


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (with_part("image", url="http://x/a.png"), CONTENT, "messages[0].content[0]"),
        (with_tool(), CONTENT, "tools"),
        (having("sampling", top_p=0.5), PARAMETER, "top_p"),
        (having("sampling", choice_count=2), PARAMETER, "n"),
        (having("sampling", logprobs=True), PARAMETER, "logprobs"),
        (having("sampling", logit_bias_json='{"7":1}'), PARAMETER, "logit_bias"),
        (having("response_format", type="json_object"), PARAMETER, "response_format"),
        (having("reasoning", effort="high"), PARAMETER, "reasoning_effort"),
        (having("reasoning", enabled=True), PARAMETER, "reasoning"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_mapping_has_no_place_for_is_refused(
    upstream: Upstream, double: CustomDouble, request_: GenerationRequest, reason: str, field: str
) -> None:
    assert await refused(upstream, request_) == (reason, field)
    assert not double.requests


async def test_what_the_operator_says_is_left_out(double: CustomDouble) -> None:
    mapping = {**MAPPING, "left_out": ["top_p", "reasoning_effort"]}
    async with asking(double, api_type="custom", custom=mapping) as upstream:
        request = having("sampling", top_p=0.5)
        request.reasoning.effort = "high"
        await whole(upstream, request)
    assert "0.5" not in str(double.requests[0].body)


async def test_tools_that_may_not_be_called_are_left_out(upstream: Upstream) -> None:
    (choice,) = (await whole(upstream, with_tool(ToolChoice.MODE_NONE))).choices
    assert choice.content == TEXT


async def test_completions_need_a_prompt_in_the_mapping(chat: Upstream) -> None:
    assert await refused(chat, completion()) == (CONTENT, "prompt")


async def test_a_schema_goes_to_its_place(upstream: Upstream, double: CustomDouble) -> None:
    schema = '{"name":"n","schema":{"type":"object"}}'
    await whole(upstream, having("response_format", type="json_schema", json_schema_json=schema))
    assert double.requests[0].body["shape"] == {"type": "object"}
