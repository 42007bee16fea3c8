"""What only a backend on Anthropic's wire can get right or wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC, GenerationRequest
from synapse_llm_router.ports import ListingFailed, Upstream
from synapse_runtime.errors import InvalidArgument, SynapseError
from tests.contract.llm_router.asking import TERMS, asking, events, failure, whole
from tests.support.anthropic_upstream import CALLS, THOUGHT, AnthropicDouble, anthropic_double, begin_text, error, sse


@pytest.fixture
async def double() -> AsyncIterator[AnthropicDouble]:
    async with anthropic_double() as running:
        yield running


@pytest.fixture
async def upstream(double: AnthropicDouble) -> AsyncIterator[Upstream]:
    async with asking(double, provider="anthropic", api_key="sk-ant") as running:
        yield running


def question(**members: Any) -> GenerationRequest:
    request = GenerationRequest(model="m", protocol=PROTOCOL_ANTHROPIC, extra_json=orjson.dumps(members).decode())
    request.messages.add(role="user", text="Hello?")
    request.sampling.max_tokens = 9
    return request


async def test_the_key_the_version_and_the_betas_are_headers(upstream: Upstream, double: AnthropicDouble) -> None:
    request = question()
    request.betas.extend(["b-1", "b-2"])
    await whole(upstream, request)
    (received,) = double.requests
    assert received.path == "/v1/messages"
    wanted = {"x-api-key": "sk-ant", "anthropic-version": "2023-06-01", "anthropic-beta": "b-1,b-2"}
    assert wanted.items() <= received.headers.items()
    assert "authorization" not in received.headers


async def test_the_version_can_be_chosen(double: AnthropicDouble) -> None:
    async with asking(double, provider="anthropic", headers={"Anthropic-Version": "2030-01-01"}) as upstream:
        await whole(upstream, question())
    assert double.requests[0].headers["anthropic-version"] == "2030-01-01"


async def test_vllm_gets_its_key_as_a_bearer(double: AnthropicDouble) -> None:
    async with asking(double, provider="vllm", api_type="anthropic", api_key="k") as upstream:
        await whole(upstream, question())
    assert double.requests[0].headers["authorization"] == "Bearer k"
    assert "x-api-key" not in double.requests[0].headers


async def test_a_question_without_a_limit_gets_the_configured_one(double: AnthropicDouble) -> None:
    request = question()
    request.sampling.ClearField("max_tokens")
    async with asking(double, provider="anthropic", default_max_tokens=77) as upstream:
        await whole(upstream, request)
    assert double.requests[0].body["max_tokens"] == 77


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_an_endpoint_is_taken_with_and_without_v1(double: AnthropicDouble, suffix: str) -> None:
    double.url += suffix
    async with asking(double, provider="anthropic") as upstream:
        await whole(upstream, question())
    assert double.requests[0].path == "/v1/messages"


async def test_thinking_is_told_with_its_signature(upstream: Upstream) -> None:
    request = question()
    request.reasoning.enabled, request.reasoning.budget_tokens = True, 1024
    (thought,) = (await whole(upstream, request)).choices[0].thinking
    pieces = [delta.thinking for event in await events(upstream, request) for delta in event.deltas]
    assert (thought.text, thought.signature) == (THOUGHT["thinking"], THOUGHT["signature"])
    assert "".join(piece.text for piece in pieces) == thought.text
    assert thought.signature in [piece.signature for piece in pieces]


async def test_every_block_of_a_stream_has_its_beginning(upstream: Upstream) -> None:
    request = question()
    request.reasoning.enabled, request.reasoning.budget_tokens = True, 1024
    request.tools.add(type="function", name="weather", parameters_json="{}")
    deltas = [delta for event in await events(upstream, request) for delta in event.deltas]
    begun = [delta.block.kind for delta in deltas if delta.HasField("block")]
    calls = [llm.BLOCK_KIND_TOOL_CALL] * len(CALLS)
    assert begun == [llm.BLOCK_KIND_THINKING, llm.BLOCK_KIND_TEXT, *calls]


async def test_the_usage_so_far_comes_first(upstream: Upstream) -> None:
    first, *_, last = [event.usage for event in await events(upstream, question()) if event.HasField("usage")]
    assert (first.prompt_tokens, first.completion_tokens) == (9, 1)
    assert (last.prompt_tokens, last.completion_tokens, last.cache_read_tokens, last.cache_write_tokens) == (9, 7, 3, 2)


async def test_tokens_are_counted(upstream: Upstream, double: AnthropicDouble) -> None:
    assert await upstream.count_tokens(question(), "m", TERMS) == 42
    (received,) = double.requests
    assert received.path == "/v1/messages/count_tokens"
    assert received.body == {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}


async def test_a_backend_without_counting_counts_nothing(upstream: Upstream, double: AnthropicDouble) -> None:
    double.counts = False
    assert await upstream.count_tokens(question(), "m", TERMS) is None


@pytest.mark.parametrize(("status", "code"), [(404, "NOT_FOUND"), (529, "UNAVAILABLE")])
async def test_what_fails_in_counting_is_told(
    upstream: Upstream, double: AnthropicDouble, status: int, code: str
) -> None:
    double.behaviour.status = status
    double.behaviour.body = orjson.dumps(error("not_found_error"))
    with pytest.raises(SynapseError, match="Nein") as caught:
        await upstream.count_tokens(question(), "m", TERMS)
    assert caught.value.code.name == code


@pytest.mark.parametrize("body", [b"7", b"{}", b'{"input_tokens":"many"}', b'{"input_tokens":true}', b"<html>"])
async def test_a_count_that_is_none_is_invalid(upstream: Upstream, double: AnthropicDouble, body: bytes) -> None:
    double.behaviour.body = body
    with pytest.raises(SynapseError) as caught:
        await upstream.count_tokens(question(), "m", TERMS)
    assert caught.value.reason == "UPSTREAM_INVALID"


async def test_models_are_listed_over_all_pages(upstream: Upstream, double: AnthropicDouble) -> None:
    double.behaviour.models = tuple(f"model-{number}" for number in range(7))
    double.page_length = 3
    listed = await upstream.list_models()
    assert [model.id for model in listed] == list(double.behaviour.models)
    assert len(double.requests) == 3
    assert {model.created for model in listed} == {1759104000}


async def test_a_list_without_an_end_fails(upstream: Upstream, double: AnthropicDouble) -> None:
    double.behaviour.body = orjson.dumps({"data": [{"id": "double"}], "has_more": True, "last_id": "double"})
    with pytest.raises(ListingFailed, match="pages"):
        await upstream.list_models()


async def test_a_list_in_openais_form_is_taken(upstream: Upstream, double: AnthropicDouble) -> None:
    double.behaviour.body = b'{"object":"list","data":[{"id":"a","created":1700000000},{"id":"b"}]}'
    assert [(model.id, model.created) for model in await upstream.list_models()] == [("a", 1700000000), ("b", None)]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("overloaded_error", "UNAVAILABLE"),
        ("rate_limit_error", "RESOURCE_EXHAUSTED"),
        ("invalid_request_error", "INVALID_ARGUMENT"),
        ("api_error", "UNAVAILABLE"),
    ],
)
async def test_an_error_event_says_what_it_stands_for(
    upstream: Upstream, double: AnthropicDouble, kind: str, code: str
) -> None:
    double.behaviour.events = [begin_text(), sse(error(kind))]
    caught, _ = await failure(upstream, question(), streamed=True)
    assert (caught.code.name, caught.reason) == (code, "PROVIDER_ERROR")


@pytest.mark.parametrize("last", ["text", "message_delta"])
async def test_a_stream_without_message_stop_is_truncated(
    upstream: Upstream, double: AnthropicDouble, last: str
) -> None:
    ended = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}})
    double.behaviour.events = [begin_text(), *([ended] if last == "message_delta" else [])]
    caught, _ = await failure(upstream, question(), streamed=True)
    assert caught.reason == "UPSTREAM_TRUNCATED"


async def test_what_comes_where_it_must_not_is_invalid(upstream: Upstream, double: AnthropicDouble) -> None:
    stray = {"type": "content_block_delta", "index": 4, "delta": {"type": "text_delta", "text": "a"}}
    double.behaviour.events = [begin_text(), sse(stray)]
    caught, _ = await failure(upstream, question(), streamed=True)
    assert caught.reason == "UPSTREAM_INVALID"


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_cannot_be_asked_is_never_sent(
    upstream: Upstream, double: AnthropicDouble, *, streamed: bool
) -> None:
    request = question()
    request.sampling.choice_count = 2
    with pytest.raises(InvalidArgument, match="'double' cannot take n"):
        await (events(upstream, request) if streamed else whole(upstream, request))
    assert not double.requests
