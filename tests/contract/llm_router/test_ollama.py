"""What Ollama answers in its native wire reaches the caller; what it cannot do is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GenerationRequest, ToolChoice
from synapse_llm_router.ports import ListingFailed, Upstream
from tests.contract.llm_router.asking import SIZES, asking, failure, provider_error, responses, whole
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
from tests.support.ollama_upstream import (
    SECONDS_OF_DAY,
    THOUGHTS,
    WORDS,
    OllamaDouble,
    line_of,
    ndjson,
    ollama_double,
)

TEXT = "".join(WORDS)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
async def double() -> AsyncIterator[OllamaDouble]:
    async with ollama_double() as running:
        yield running


@pytest.fixture
async def upstream(double: OllamaDouble) -> AsyncIterator[Upstream]:
    async with asking(double, provider="ollama", api_key="k", **SIZES) as running:
        yield running


async def test_a_whole_answer(upstream: Upstream, double: OllamaDouble) -> None:
    answer = await whole(upstream, question())
    (choice,) = answer.choices
    assert (choice.content, choice.finish_reason) == (TEXT, llm.FINISH_REASON_STOP)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (26, 7, 33)
    assert (answer.model, answer.create_time.seconds) == ("m", SECONDS_OF_DAY)
    assert double.requests[0].body["stream"] is False


async def test_a_stream_has_every_piece_and_the_usage(upstream: Upstream, double: OllamaDouble) -> None:
    answer = await streamed(upstream, question())
    assert (answer.text, answer.last.finish_reason) == (TEXT, llm.FINISH_REASON_STOP)
    assert answer.usage
    assert answer.usage.total_tokens == 33
    assert answer.events[0].deltas[0].role == "assistant"
    assert [event.HasField("head") for event in answer.events] == [True] + [False] * len(WORDS)
    assert double.requests[0].body["stream"] is True


async def test_lines_that_came_together_go_together(upstream: Upstream, double: OllamaDouble) -> None:
    end = ndjson({**line_of({}), "done": True})
    double.behaviour.events = [ndjson(line_of({"content": "a"})) * 200 + end]
    came = await responses(upstream, question())
    assert sum(len(response.events) for response in came) == 201
    assert len(came) <= 3
    assert came[0].origin.provider == "ollama"


@BOTH
async def test_thinking_comes_apart_from_the_answer(upstream: Upstream, double: OllamaDouble, *, stream: bool) -> None:
    request = question()
    request.reasoning.effort = "high"
    if stream:
        answer = await streamed(upstream, request)
        assert (answer.thoughts, answer.text) == ("".join(THOUGHTS), TEXT)
    else:
        (choice,) = (await whole(upstream, request)).choices
        assert (choice.reasoning.text, choice.content) == ("".join(THOUGHTS), TEXT)
    assert double.requests[0].body["think"] == "high"


async def test_a_call_of_a_tool_gets_an_id_that_stays(upstream: Upstream) -> None:
    (first,) = (await whole(upstream, with_tool())).choices
    (second,) = (await streamed(upstream, with_tool())).calls
    (call,) = first.tool_calls
    assert (call.name, call.arguments, call.type) == ("weather", '{"city":"Ulm","days":3}', "function")
    assert (second.id, second.index, second.arguments) == (call.id, 0, call.arguments)
    assert first.finish_reason == llm.FINISH_REASON_TOOL_CALLS
    assert not first.HasField("content")


async def test_equal_calls_of_later_turns_have_other_ids(upstream: Upstream) -> None:
    later = with_tool()
    later.messages.add(role="assistant", text="Well.")
    later.messages.add(role="user", text="Hello?")
    (first,) = (await streamed(upstream, with_tool())).calls
    (second,) = (await streamed(upstream, later)).calls
    assert first.id != second.id


async def test_an_id_that_the_server_gives_is_kept(upstream: Upstream, double: OllamaDouble) -> None:
    double.gives_ids = True
    (call,) = (await streamed(upstream, with_tool())).calls
    assert call.id == "call_given"


@BOTH
async def test_probabilities_are_told_when_asked_for(upstream: Upstream, *, stream: bool) -> None:
    request = question()
    request.sampling.logprobs, request.sampling.top_logprobs = True, 2
    if stream:
        assert (await streamed(upstream, request)).tokens == WORDS
    else:
        (choice,) = (await whole(upstream, request)).choices
        assert [token.token for token in choice.logprobs.content] == WORDS
        assert choice.logprobs.content[0].token_bytes == b"Hello"
        assert [top.token for top in choice.logprobs.content[0].top] == ["Hello", " or"]


@BOTH
async def test_a_plain_completion_goes_raw_to_its_own_path(
    upstream: Upstream, double: OllamaDouble, *, stream: bool
) -> None:
    request = completion()
    request.sampling.top_logprobs = 0
    if stream:
        answer = await streamed(upstream, request)
        assert (answer.text, answer.last.finish_reason) == (TEXT, llm.FINISH_REASON_STOP)
        assert '"tokens":["Hello"]' in answer.events[0].deltas[0].logprobs.legacy_json
    else:
        (choice,) = (await whole(upstream, request)).choices
        assert choice.content == TEXT
        assert '"text_offset":[0,5,11' in choice.logprobs.legacy_json
    received = double.requests[0]
    assert (received.path, received.body["prompt"], received.body["raw"]) == ("/api/generate", "Once", True)


async def test_the_key_is_a_bearer(upstream: Upstream, double: OllamaDouble) -> None:
    await whole(upstream, question())
    assert double.requests[0].headers["authorization"] == "Bearer k"
    assert double.requests[0].headers["x-request-id"] == "req_1"


async def test_models_tagged_latest_go_by_both_names(upstream: Upstream) -> None:
    models = await upstream.list_models()
    assert [model.id for model in models] == ["m", "llama3.2:latest", "llama3.2"]
    assert models[2].created == SECONDS_OF_DAY


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"no", b'{"models":[{}]}', b'{"models":[{"name":"m","modified_at":3}]}']
)
async def test_a_list_that_is_none_fails(upstream: Upstream, double: OllamaDouble, body: bytes) -> None:
    double.behaviour.body = body
    with pytest.raises(ListingFailed):
        await upstream.list_models()


@pytest.mark.parametrize(
    ("word", "reason", "detail"),
    [
        ("stop", llm.FINISH_REASON_STOP, ""),
        (None, llm.FINISH_REASON_STOP, ""),
        ("length", llm.FINISH_REASON_LENGTH, ""),
        ("load", llm.FINISH_REASON_OTHER, "load"),
        ("unload", llm.FINISH_REASON_OTHER, "unload"),
    ],
)
async def test_every_end_has_its_reason(
    upstream: Upstream, double: OllamaDouble, word: str | None, reason: int, detail: str
) -> None:
    last = {**line_of({}), "done": True, **({"done_reason": word} if word else {})}
    double.behaviour.events = [ndjson(last)]
    answer = await streamed(upstream, question())
    assert (answer.last.finish_reason, answer.last.finish_detail, answer.usage) == (reason, detail, None)


@BOTH
async def test_a_model_that_is_not_there_is_not_found(upstream: Upstream, *, stream: bool) -> None:
    error, _ = await failure(upstream, having("", model="gone"), streamed=stream)
    assert (error.code.name, error.reason, error.message) == ("NOT_FOUND", "PROVIDER_ERROR", "model 'gone' not found")
    told = provider_error(error)
    assert told is not None
    assert told.http_status == 404


async def test_a_whole_answer_that_is_not_done_is_truncated(upstream: Upstream, double: OllamaDouble) -> None:
    double.behaviour.body = ndjson(line_of({"content": "a"}))
    assert (await failure(upstream, question(), streamed=False))[0].reason == "UPSTREAM_TRUNCATED"


@pytest.mark.parametrize(
    "line",
    [
        {"model": "m"},
        {"model": "m", "message": {"content": 3}, "done": False},
        {"model": "m", "message": "a", "done": False},
        {"model": 3, "message": {"content": "a"}, "done": False},
        {"model": "m", "created_at": "x", "message": {"content": "a"}, "done": False},
        {"model": "m", "message": {"content": "", "tool_calls": [{"function": {}}]}, "done": False},
        {"model": "m", "message": {"content": "", "images": ["aGk="]}, "done": False},
        {"model": "m", "message": {"content": "a"}, "logprobs": [{"token": "a"}], "done": False},
    ],
)
async def test_a_line_of_another_form_is_invalid(upstream: Upstream, double: OllamaDouble, line: Any) -> None:
    double.behaviour.events = [ndjson(line)]
    assert (await failure(upstream, question(), streamed=True))[0].reason == "UPSTREAM_INVALID"


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (with_part("image", url="http://x/a.png"), CONTENT, "messages[0].content[0]"),
        (with_part("image", file_id="f"), CONTENT, "messages[0].content[0]"),
        (with_part("audio", base64_data="aGk="), CONTENT, "messages[0].content[0]"),
        (with_part("video", url="http://x/a.mp4"), CONTENT, "messages[0].content[0]"),
        (with_part("file", base64_data="aGk="), CONTENT, "messages[0].content[0]"),
        (with_part("thinking", redacted_data="x"), CONTENT, "messages[0].content[0]"),
        (with_part("tool_call", arguments="[]"), CONTENT, "messages[0].content[0].arguments"),
        (with_part("tool_call", arguments="{"), CONTENT, "messages[0].content[0].arguments"),
        (with_part("tool_call", type="custom"), CONTENT, "messages[0].content[0]"),
        (having("sampling", choice_count=2), PARAMETER, "n"),
        (having("sampling", best_of=2), PARAMETER, "best_of"),
        (having("sampling", logit_bias_json='{"7":1}'), PARAMETER, "logit_bias"),
        (having("", parallel_tool_calls=False), PARAMETER, "parallel_tool_calls"),
        (having("response_format", type="grammar"), PARAMETER, "response_format"),
        (having("reasoning", effort="enormous"), PARAMETER, "reasoning_effort"),
        (having("", extra_json='{"functions":[{}]}'), CONTENT, "functions"),
        (with_tool(ToolChoice.MODE_REQUIRED), PARAMETER, "tool_choice"),
        (with_tool(ToolChoice.MODE_NAMED), PARAMETER, "tool_choice"),
        (with_tool(ToolChoice.MODE_OTHER), PARAMETER, "tool_choice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_it_cannot_do_is_refused(
    upstream: Upstream, double: OllamaDouble, request_: GenerationRequest, reason: str, field: str
) -> None:
    assert await refused(upstream, request_) == (reason, field)
    assert not double.requests


async def test_completions_refuse_what_a_text_cannot_say(upstream: Upstream) -> None:
    several, tokens, echo = completion(), completion(), completion()
    several.prompt.texts.append("Twice")
    tokens.prompt.token_ids.add(ids=[1])
    echo.prompt.echo = True
    assert await refused(upstream, several) == (CONTENT, "prompt")
    assert await refused(upstream, tokens) == (CONTENT, "prompt")
    assert await refused(upstream, echo) == (PARAMETER, "echo")
