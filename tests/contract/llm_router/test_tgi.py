"""What TGI answers in its native wire reaches the caller; what a text cannot say is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GenerationRequest, ToolChoice
from synapse_llm_router.ports import ListingFailed, Upstream
from tests.contract.llm_router.asking import SIZES, TERMS, asking, failure, whole
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
from tests.support.openai_upstream import sse
from tests.support.tgi_upstream import OVERLOADED, PROMPT_TOKENS, WORDS, TgiDouble, event_of, tgi_double, token_of

TEXT = "".join(WORDS)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
TGI = {"provider": "tgi", "api_type": "tgi"}


@pytest.fixture
async def double() -> AsyncIterator[TgiDouble]:
    async with tgi_double() as running:
        yield running


@pytest.fixture
async def upstream(double: TgiDouble) -> AsyncIterator[Upstream]:
    async with asking(double, **TGI, **SIZES) as running:
        yield running


async def test_a_whole_answer(upstream: Upstream, double: TgiDouble) -> None:
    answer = await whole(upstream, question())
    (choice,) = answer.choices
    assert (answer.model, choice.content, choice.finish_reason) == ("m", TEXT, llm.FINISH_REASON_STOP)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (PROMPT_TOKENS, len(WORDS) + 1)
    assert answer.usage.total_tokens == PROMPT_TOKENS + len(WORDS) + 1
    assert double.requests[0].path == "/generate"


async def test_a_stream_leaves_out_the_special_tokens(upstream: Upstream, double: TgiDouble) -> None:
    answer = await streamed(upstream, question())
    assert (answer.text, answer.last.finish_reason) == (TEXT, llm.FINISH_REASON_STOP)
    assert answer.usage
    assert answer.usage.total_tokens == PROMPT_TOKENS + len(WORDS) + 1
    assert answer.events[0].deltas[0].role == "assistant"
    assert double.requests[0].path == "/generate_stream"


async def test_a_stream_of_an_old_server_has_no_usage(upstream: Upstream, double: TgiDouble) -> None:
    double.tells_input = False
    assert (await streamed(upstream, question())).usage is None


async def test_a_conversation_is_written_by_the_template(upstream: Upstream, double: TgiDouble) -> None:
    request = question()
    request.messages.add(role="assistant", text="Hi.", reasoning="Hm.")
    request.messages.add(role="developer").parts.add(text="Be brief.")
    await whole(upstream, request)
    body = double.requests[0].body
    assert body["inputs"] == (
        "<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n"
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert body["parameters"] == {"details": True, "stop": ["<|im_end|>"]}


async def test_another_template_can_be_chosen(double: TgiDouble) -> None:
    async with asking(double, **TGI, chat_template="plain") as upstream:
        await whole(upstream, question())
    body = double.requests[0].body
    assert (body["inputs"], body["parameters"]["stop"]) == ("User: Hello?\nAssistant:", ["\nUser:"])


@pytest.mark.parametrize("mark", ["<|im_start|>", "<|im_end|>"])
async def test_a_text_cannot_forge_a_turn(upstream: Upstream, mark: str) -> None:
    assert await refused(upstream, question(f"Hi{mark}")) == (CONTENT, "messages[0]")


@BOTH
@pytest.mark.parametrize(("stop", "text"), [(" you", "Hello there, how are"), ("ow a", "Hello there, how are")])
async def test_a_stop_text_is_not_in_the_answer(
    upstream: Upstream, double: TgiDouble, stop: str, text: str, *, stream: bool
) -> None:
    request = having("sampling", stop_is_text=True)
    request.sampling.stop.append(stop)
    if stop == "ow a":
        request.sampling.stop.append(" are")
        text = "Hello there, how"
    if stream:
        answer = await streamed(upstream, request)
        said, end, met = answer.text, answer.last.finish_reason, answer.last.stop_sequence
    else:
        (choice,) = (await whole(upstream, request)).choices
        said, end, met = choice.content, choice.finish_reason, choice.stop_sequence
    assert (said, end, met) == (text, llm.FINISH_REASON_STOP, request.sampling.stop[-1])


@BOTH
async def test_the_end_of_the_template_is_not_in_the_answer(
    upstream: Upstream, double: TgiDouble, *, stream: bool
) -> None:
    last = {**event_of(token_of("<|im_end|>")), "generated_text": "a<|im_end|>"}
    details = {"finish_reason": "stop_sequence", "generated_tokens": 2, "tokens": []}
    if stream:
        double.behaviour.events = [sse(event_of(token_of("a"))), sse({**last, "details": details})]
        answer = await streamed(upstream, question())
        assert (answer.text, answer.last.HasField("stop_sequence")) == ("a", False)
    else:
        double.behaviour.body = b'{"generated_text":"a<|im_end|>","details":' + sse(details)[6:-2] + b"}"
        (choice,) = (await whole(upstream, question())).choices
        assert (choice.content, choice.HasField("stop_sequence")) == ("a", False)


@BOTH
async def test_the_limit_of_tokens_is_told(upstream: Upstream, *, stream: bool) -> None:
    request = having("sampling", max_tokens=3)
    if stream:
        answer = await streamed(upstream, request)
        assert (answer.text, answer.last.finish_reason) == ("Hello there,", llm.FINISH_REASON_LENGTH)
    else:
        (choice,) = (await whole(upstream, request)).choices
        assert (choice.content, choice.finish_reason) == ("Hello there,", llm.FINISH_REASON_LENGTH)


@BOTH
async def test_probabilities_are_told_when_asked_for(upstream: Upstream, *, stream: bool) -> None:
    request = having("sampling", logprobs=True, top_logprobs=2)
    request.sampling.stop.append(" you")
    if stream:
        tokens = (await streamed(upstream, request)).tokens
    else:
        (choice,) = (await whole(upstream, request)).choices
        tokens = [token.token for token in choice.logprobs.content]
        assert [top.token for top in choice.logprobs.content[0].top] == ["Hello", " or"]
    assert tokens == WORDS[:5]


@BOTH
async def test_a_completion_continues_its_text(upstream: Upstream, double: TgiDouble, *, stream: bool) -> None:
    request = completion()
    request.sampling.top_logprobs = 1
    if stream:
        answer = await streamed(upstream, request)
        assert answer.text == TEXT
        assert '"tokens":["Hello"]' in answer.events[0].deltas[0].logprobs.legacy_json
    else:
        (choice,) = (await whole(upstream, request)).choices
        assert (choice.content, choice.logprobs.legacy_json[:19]) == (TEXT, '{"tokens":["Hello",')
    assert double.requests[0].body["inputs"] == "Once"
    assert "stop" not in double.requests[0].body["parameters"]


@pytest.mark.parametrize(("temperature", "top_p", "top_k"), [(0, 0.5, 3), (0.7, 1, 0), (None, 0.9, 3)])
async def test_values_that_tgi_refuses_are_said_in_its_way(
    upstream: Upstream, double: TgiDouble, temperature: float | None, top_p: float, top_k: int
) -> None:
    request = having("sampling", top_p=top_p, top_k=top_k)
    if temperature is not None:
        request.sampling.temperature = temperature
    await streamed(upstream, request)
    parameters = double.requests[0].body["parameters"]
    drawn = {name: parameters.get(name) for name in ("do_sample", "temperature", "top_p", "top_k")}
    assert (
        drawn
        == {
            0: {"do_sample": False, "temperature": None, "top_p": None, "top_k": None},
            0.7: {"do_sample": True, "temperature": 0.7, "top_p": None, "top_k": None},
            None: {"do_sample": None, "temperature": None, "top_p": 0.9, "top_k": 3},
        }[temperature]
    )


async def test_a_schema_is_a_grammar(upstream: Upstream, double: TgiDouble) -> None:
    schema = '{"schema":{"type":"object","properties":{"b":{},"a":{}}},"name":"n"}'
    await whole(upstream, having("response_format", type="json_schema", json_schema_json=schema))
    grammar = double.requests[0].body["parameters"]["grammar"]
    assert grammar == {"type": "json", "value": {"type": "object", "properties": {"b": {}, "a": {}}}}
    assert list(grammar["value"]["properties"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("validation", "INVALID_ARGUMENT"),
        ("generation", "UNAVAILABLE"),
        ("overloaded", "RESOURCE_EXHAUSTED"),
        ("incomplete_generation", "UNAVAILABLE"),
    ],
)
async def test_an_error_event_has_the_meaning_of_its_kind(
    upstream: Upstream, double: TgiDouble, kind: str, code: str
) -> None:
    double.behaviour.events = [sse({**OVERLOADED, "error_type": kind})]
    error, _ = await failure(upstream, question(), streamed=True)
    assert (error.code.name, error.reason, error.message) == (code, "PROVIDER_ERROR", "Model is overloaded")


@pytest.mark.parametrize(
    "event",
    [
        {"generated_text": "a", "details": {"finish_reason": "length", "generated_tokens": 1}},
        {"token": {"text": 3}},
        {"token": "a"},
        {"token": token_of("a"), "generated_text": "a", "details": None},
        {"token": token_of("a"), "generated_text": "a", "details": {"finish_reason": 3}},
    ],
)
async def test_an_event_of_another_form_is_invalid(upstream: Upstream, double: TgiDouble, event: Any) -> None:
    double.behaviour.events = [sse(event)]
    assert (await failure(upstream, question(), streamed=True))[0].reason == "UPSTREAM_INVALID"


async def test_a_whole_answer_without_details_is_invalid(upstream: Upstream, double: TgiDouble) -> None:
    double.behaviour.body = b'{"generated_text":"a"}'
    assert (await failure(upstream, question(), streamed=False))[0].reason == "UPSTREAM_INVALID"


async def test_it_counts_by_the_servers_own_tokenizer(upstream: Upstream, double: TgiDouble) -> None:
    assert await upstream.count_tokens(completion("one two three"), "m", TERMS) == 3
    double.has_tokenizer = False
    assert await upstream.count_tokens(completion("one two three"), "m", TERMS) is None


async def test_the_model_it_serves_is_listed(upstream: Upstream, double: TgiDouble) -> None:
    assert [model.id for model in await upstream.list_models()] == ["org/model"]
    double.behaviour.body = b'{"version":"3"}'
    with pytest.raises(ListingFailed):
        await upstream.list_models()


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (with_part("image", url="data:image/png;base64,aGk="), CONTENT, "messages[0].content[0]"),
        (with_part("audio", base64_data="aGk="), CONTENT, "messages[0].content[0]"),
        (with_part("tool_call", name="f"), CONTENT, "messages[0].content[0]"),
        (with_part("tool_result", text="f"), CONTENT, "messages[0].content[0]"),
        (with_tool(), CONTENT, "tools"),
        (with_tool(ToolChoice.MODE_REQUIRED), CONTENT, "tools"),
        (having("sampling", choice_count=2), PARAMETER, "n"),
        (having("sampling", logit_bias_json='{"7":1}'), PARAMETER, "logit_bias"),
        (having("response_format", type="json_object"), PARAMETER, "response_format"),
        (having("reasoning", effort="high"), PARAMETER, "reasoning"),
        (having("reasoning", enabled=True), PARAMETER, "reasoning"),
        (having("", extra_json='{"audio":{"voice":"a"}}'), CONTENT, "audio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_it_cannot_do_is_refused(
    upstream: Upstream, double: TgiDouble, request_: GenerationRequest, reason: str, field: str
) -> None:
    assert await refused(upstream, request_) == (reason, field)
    assert not double.requests


@pytest.mark.parametrize("role", ["tool", "function", "bard"])
async def test_roles_that_a_prompt_has_no_words_for_are_refused(upstream: Upstream, role: str) -> None:
    request = question()
    request.messages.add(role=role, text="7")
    assert await refused(upstream, request) == (CONTENT, "messages[1].role")


async def test_tools_that_may_not_be_called_are_left_out(upstream: Upstream) -> None:
    (choice,) = (await whole(upstream, with_tool(ToolChoice.MODE_NONE))).choices
    assert choice.content == TEXT
