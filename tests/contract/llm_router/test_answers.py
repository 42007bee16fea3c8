"""What a backend answers reaches the caller, whole and as it comes."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, GenerationRequest
from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, backend, question, router_of
from tests.support.openai_upstream import USAGE, WORDS, OpenAIDouble, sse

TEXT = "".join(WORDS)


async def responses_of(stub: Stub, request: GenerationRequest) -> list[wire.StreamGenerateResponse]:
    return [response async for response in stub.StreamGenerate(wire.StreamGenerateRequest(request=request))]


async def events_of(stub: Stub, request: GenerationRequest) -> list[llm.GenerationEvent]:
    return [event for response in await responses_of(stub, request) for event in response.events]


async def test_a_whole_answer_comes_with_its_origin(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.headers["x-request-id"] = "req-up"
    response = await stub.Generate(wire.GenerateRequest(request=question()))
    assert response.generation.choices[0].content == TEXT
    assert response.generation.choices[0].finish_reason == llm.FINISH_REASON_STOP
    assert response.generation.usage.total_tokens == USAGE["total_tokens"]
    assert response.origin == wire.Origin(backend="double", provider="custom", provider_request_id="req-up")


async def test_a_stream_has_every_piece_and_the_usage(stub: Stub, double: OpenAIDouble) -> None:
    events = await events_of(stub, question())
    assert "".join(delta.content for event in events for delta in event.deltas) == TEXT
    assert events[0].head.id == "up-1"
    assert not any(event.HasField("head") for event in events[1:])
    assert events[-1].usage.completion_tokens == USAGE["completion_tokens"]
    assert double.requests[0].body["stream_options"] == {"include_usage": True}


async def test_a_whole_answer_to_a_stream_request_is_told_at_once(stub: Stub, double: OpenAIDouble) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    answer = {"id": "up-2", "model": "m", "choices": [choice], "usage": USAGE}
    double.behaviour.body = orjson.dumps(answer)
    [event] = await events_of(stub, question())
    assert event.deltas[0].tool_calls[0] == llm.ToolCallDelta(
        index=0, id="call_1", type="function", name="f", arguments="{}"
    )
    assert event.deltas[0].finish_reason == llm.FINISH_REASON_TOOL_CALLS
    assert (event.head.id, event.usage.total_tokens) == ("up-2", USAGE["total_tokens"])


async def test_the_first_message_has_the_origin(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.event_delay_seconds = 0.01
    first, *rest = await responses_of(stub, question())
    assert first.origin.backend == "double"
    assert rest
    assert not any(response.HasField("origin") for response in rest)


async def test_events_are_handed_on_at_once(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.event_delay_seconds = 0.1
    loop = asyncio.get_running_loop()
    started = loop.time()
    call = stub.StreamGenerate(wire.StreamGenerateRequest(request=question()))
    arrived = [loop.time() - started async for _ in call]
    assert len(arrived) > len(WORDS) / 2
    assert arrived[-1] - arrived[0] > 0.3


async def test_events_that_came_together_go_together(stub: Stub, double: OpenAIDouble) -> None:
    chunk = {"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    double.behaviour.events = [sse(chunk) * 200 + sse(b"[DONE]")]
    responses = await responses_of(stub, question())
    assert sum(len(response.events) for response in responses) == 200
    assert len(responses) <= 3


async def test_completions_go_to_their_own_path(stub: Stub, double: OpenAIDouble) -> None:
    request = GenerationRequest(model="m", kind=GENERATION_KIND_COMPLETION)
    request.prompt.texts.append("Once")
    response = await stub.Generate(wire.GenerateRequest(request=request))
    events = await events_of(stub, request)
    assert response.generation.choices[0].content == TEXT
    assert "".join(delta.content for event in events for delta in event.deltas) == TEXT
    assert {received.path for received in double.requests} == {"/v1/completions"}


async def test_several_choices_keep_their_indexes(stub: Stub, double: OpenAIDouble) -> None:
    request = question()
    request.sampling.choice_count = 3
    response = await stub.Generate(wire.GenerateRequest(request=request))
    events = await events_of(stub, request)
    assert [choice.index for choice in response.generation.choices] == [0, 1, 2]
    assert {delta.index for event in events for delta in event.deltas} == {0, 1, 2}


async def test_a_compressed_answer_is_read(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.compressed = True
    response = await stub.Generate(wire.GenerateRequest(request=question()))
    assert response.generation.choices[0].content == TEXT
    assert "gzip" in double.requests[0].headers["accept-encoding"]


async def test_connections_are_reused_after_whole_answers_and_streams(stub: Stub, double: OpenAIDouble) -> None:
    for _ in range(5):
        await stub.Generate(wire.GenerateRequest(request=question()))
        await events_of(stub, question())
    assert len(double.requests) == 10
    assert double.connections == 1


async def test_calls_at_once_share_no_more_connections_than_allowed(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 0.02
    async with router_of(backend(double, max_connections=2)) as stub:
        await asyncio.gather(*(stub.Generate(wire.GenerateRequest(request=question())) for _ in range(12)))
    assert len(double.requests) == 12
    assert double.connections == 2


async def test_a_backend_without_stream_options_is_asked_without_from_then_on(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.knows_stream_options = False
    for _ in range(2):
        events = await events_of(stub, question())
        assert "".join(delta.content for event in events for delta in event.deltas) == TEXT
    assert ["stream_options" in received.body for received in double.requests] == [True, False, False]


async def test_the_key_and_the_headers_reach_the_backend(double: OpenAIDouble) -> None:
    settings = backend(double, api_key="sk-secret", headers={"x-team": "blue"})
    async with router_of(settings) as stub:
        await stub.Generate(wire.GenerateRequest(request=question()), metadata=(("x-request-id", "req_1"),))
    headers = double.requests[0].headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-secret", "blue")
    assert headers["x-request-id"] == "req_1"
    assert "cookie" not in headers


async def test_cookies_and_redirects_are_not_followed(stub: Stub, double: OpenAIDouble) -> None:
    double.behaviour.headers["set-cookie"] = "session=1"
    await stub.Generate(wire.GenerateRequest(request=question()))
    await stub.Generate(wire.GenerateRequest(request=question()))
    assert "cookie" not in double.requests[1].headers


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_an_endpoint_is_taken_with_and_without_v1(double: OpenAIDouble, suffix: str) -> None:
    async with router_of(backend(double, endpoint=double.url + suffix)) as stub:
        await stub.Generate(wire.GenerateRequest(request=question()))
    assert double.requests[0].path == "/v1/chat/completions"
