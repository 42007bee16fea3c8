"""The official Anthropic SDK gets what it expects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anthropic
import pytest
from google.protobuf import any_pb2

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.llm.v1 import generation_pb2, request_pb2
from synapse.router.v1 import router_pb2
from synapse_runtime import errors
from tests.contract.gateway.conftest import World
from tests.support.cache_double import answer, events, hit, message, miss

Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent
Worlds = Callable[..., AbstractAsyncContextManager[World]]
HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"name": "weather", "input_schema": {"type": "object"}}]
PLAIN: dict[str, Any] = {"model": "small", "max_tokens": 64, "messages": HI}


@pytest.fixture
async def sdk(world: World) -> AsyncIterator[Any]:
    """The SDK with the admin's key; Any, for its overloads are narrower than what is sent here."""
    async with anthropic.AsyncAnthropic(base_url=world.url, api_key="sk-admin", max_retries=0) as client:
        yield client


def replies(world: World, generation: generation_pb2.Generation, outcome: outcome_pb2.Outcome | None = None) -> None:
    async def reply(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return cache_pb2.GenerateResponse(generation=generation, outcome=outcome or miss())

    world.mesh.cache.reply = reply


def provider_error(status: int, body: str, kind: type[errors.SynapseError], **headers: str) -> errors.SynapseError:
    detail = any_pb2.Any()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    detail.Pack(router_pb2.ProviderError(http_status=status, body=body, content_type="application/json", headers=named))
    return kind("slow down", reason="PROVIDER_ERROR", details=[detail])


async def test_a_plain_question_is_answered(world: World, sdk: Any) -> None:
    made = await sdk.messages.create(**PLAIN, system="Be brief.")
    assert (made.content[0].text, made.stop_reason, made.role) == ("Paris.", "end_turn", "assistant")
    assert (made.usage.input_tokens, made.usage.output_tokens) == (9, 3)
    (asked,) = world.mesh.cache.requests
    assert [(one.role, one.text) for one in asked.request.messages] == [("system", "Be brief."), ("user", "hi")]
    assert asked.request.protocol == request_pb2.PROTOCOL_ANTHROPIC


@pytest.mark.parametrize("root", ["", "/v1"])
async def test_the_documented_base_url_works_with_and_without_v1(world: World, root: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=world.url + root, auth_token="sk-viewer", max_retries=0) as client:
        assert (await client.messages.create(**PLAIN)).content[0].text == "Paris."
        assert (await client.messages.count_tokens(model="small", messages=HI)).input_tokens == 1
        assert (await client.models.list()).data[0].id == "small"


async def test_a_stream_arrives_whole(world: World, sdk: Any) -> None:
    world.mesh.cache.script = [message(*events("Par", "is."), outcome=miss())]
    async with sdk.messages.stream(**PLAIN) as stream:
        pieces = [text async for text in stream.text_stream]
        made = await stream.get_final_message()
    assert pieces == ["Par", "is."]
    assert (made.content[0].text, made.stop_reason, made.usage.output_tokens) == ("Paris.", "end_turn", 3)


async def test_a_stored_answer_streams_under_an_id_of_its_own(world: World, sdk: Any) -> None:
    world.mesh.cache.script = [message(*events("x"), outcome=hit())]
    ids = set()
    for _ in range(2):
        stream = await sdk.messages.create(**PLAIN, stream=True)
        first, *_others = [event async for event in stream]
        ids.add(first.message.id)
        assert first.message.usage.input_tokens == 9  # what came with the whole answer is known at once
    assert len(ids) == 2
    assert all(made.startswith("msg_") for made in ids)


async def test_parallel_tool_calls_come_back_whole(world: World, sdk: Any) -> None:
    given = answer()
    given.choices[0].finish_reason = generation_pb2.FINISH_REASON_TOOL_CALLS
    for number in range(2):
        given.choices[0].tool_calls.add(id=f"call_{number}", name="weather", arguments=f'{{"n": {number}}}')
    replies(world, given)
    made = await sdk.messages.create(**PLAIN, tools=TOOLS, tool_choice={"type": "any"})
    assert made.stop_reason == "tool_use"
    assert [(block.id, block.input) for block in made.content[1:]] == [("call_0", {"n": 0}), ("call_1", {"n": 1})]
    (asked,) = world.mesh.cache.requests
    assert asked.request.tool_choice.mode == request_pb2.ToolChoice.MODE_REQUIRED
    assert asked.request.tools[0].parameters_json == '{"type":"object"}'


async def test_parallel_tool_calls_come_back_streamed_though_their_pieces_are_mixed(world: World, sdk: Any) -> None:
    def pieces(*calls: dict[str, Any]) -> Event:
        return Event(deltas=[Delta(tool_calls=[generation_pb2.ToolCallDelta(**call) for call in calls])])

    opening = [{"index": number, "id": f"call_{number}", "name": "weather", "arguments": ""} for number in range(2)]
    middle = [{"index": number, "arguments": f'{{"n":{number}'} for number in range(2)]
    ending = [{"index": number, "arguments": "}"} for number in range(2)]
    stop = Event(deltas=[Delta(finish_reason=generation_pb2.FINISH_REASON_TOOL_CALLS)])
    first = events("Let me see.")[:2]
    mixed = [pieces(*opening), pieces(*middle), pieces(*ending), stop]
    world.mesh.cache.script = [message(*first, outcome=miss()), *(message(one) for one in mixed)]
    async with sdk.messages.stream(**PLAIN, tools=TOOLS) as stream:
        made = await stream.get_final_message()
    assert made.content[0].text == "Let me see."
    assert [(block.id, block.input) for block in made.content[1:]] == [("call_0", {"n": 0}), ("call_1", {"n": 1})]
    assert made.stop_reason == "tool_use"


async def test_results_of_tools_reach_the_mesh_as_messages(world: World, sdk: Any) -> None:
    call = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "rain"}
    turns = [*HI, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    await sdk.messages.create(**{**PLAIN, "messages": turns}, tools=TOOLS)
    _, called, told = world.mesh.cache.requests[0].request.messages
    assert (called.tool_calls[0].id, called.tool_calls[0].arguments) == ("c1", '{"city":"Oslo"}')
    assert (told.role, told.tool_call_id, told.text) == ("tool", "c1", "rain")


async def test_images_reach_the_mesh(world: World, sdk: Any) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "aWk="}
    content = [{"type": "text", "text": "What?"}, {"type": "image", "source": source}]
    await sdk.messages.create(**{**PLAIN, "messages": [{"role": "user", "content": content}]})
    _, image = world.mesh.cache.requests[0].request.messages[0].parts
    assert (image.image.base64_data, image.image.media_type) == ("aWk=", "image/png")


async def test_signed_thinking_comes_back_byte_for_byte(world: World, sdk: Any) -> None:
    given = answer()
    given.protocol = request_pb2.PROTOCOL_ANTHROPIC
    given.choices[0].thinking.add(text="hm", signature="sig+/=é")
    given.choices[0].thinking.add(redacted_data="cipher==")
    replies(world, given)
    made = await sdk.messages.create(**PLAIN, thinking={"type": "enabled", "budget_tokens": 1024})
    thought, hidden, text = made.content
    assert (thought.thinking, thought.signature, hidden.data, text.text) == ("hm", "sig+/=é", "cipher==", "Paris.")
    reasoning = world.mesh.cache.requests[0].request.reasoning
    assert (reasoning.enabled, reasoning.budget_tokens) == (True, 1024)


async def test_the_thoughts_of_other_backends_are_unsigned_thinking(world: World, sdk: Any) -> None:
    think = Event(deltas=[Delta(reasoning=generation_pb2.ReasoningText(text="hm", field="reasoning_content"))])
    first, *others = events("x")
    world.mesh.cache.script = [message(first, think, *others, outcome=miss())]
    async with sdk.messages.stream(**PLAIN) as stream:
        made = await stream.get_final_message()
    assert [block.type for block in made.content] == ["thinking", "text"]
    assert (made.content[0].thinking, made.content[0].signature) == ("hm", "")


async def test_structured_output_parses(world: World, sdk: Any) -> None:
    import pydantic

    class City(pydantic.BaseModel):
        name: str

    replies(world, answer('{"name":"Oslo"}'))
    made = await sdk.messages.parse(**PLAIN, output_format=City)
    assert made.parsed_output == City(name="Oslo")
    assert world.mesh.cache.requests[0].request.response_format.type == "json_schema"


async def test_betas_travel(world: World, sdk: Any) -> None:
    await sdk.beta.messages.create(**PLAIN, betas=["one-2026-01-01", "two-2026-01-01"])
    assert list(world.mesh.cache.requests[0].request.betas) == ["one-2026-01-01", "two-2026-01-01"]


async def test_tokens_are_counted_and_an_estimate_says_so(world: World, sdk: Any) -> None:
    for estimated in (False, True):
        world.mesh.router.estimated = estimated
        got = await sdk.messages.with_raw_response.count_tokens(model="small", messages=HI, system="Be brief.")
        assert (await got.parse()).input_tokens == 2
        assert ("x-synapse-tokens-estimated" in got.headers) is estimated


async def test_models_come_in_pages(world: World, sdk: Any) -> None:
    first = await sdk.models.list(limit=2)
    assert (first.first_id, first.last_id, first.has_more) == ("small", "meta-llama/Llama-3-8B", True)
    assert [model.id async for model in sdk.models.list(limit=1)] == [
        "small",
        "meta-llama/Llama-3-8B",
        "sentence-transformers/all-MiniLM-L6-v2",
    ]
    found = await sdk.models.retrieve("small")
    assert (found.type, found.display_name, found.created_at.year) == ("model", "small", 2023)
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("none")


@pytest.mark.parametrize(
    ("failure", "kind", "word"),
    [
        (errors.InvalidArgument("bad"), anthropic.BadRequestError, "invalid_request_error"),
        (errors.Unauthenticated("who"), anthropic.AuthenticationError, "authentication_error"),
        (errors.PermissionDenied("no"), anthropic.PermissionDeniedError, "permission_error"),
        (errors.NotFound("no such model", reason="MODEL_NOT_FOUND"), anthropic.NotFoundError, "not_found_error"),
        (errors.ResourceExhausted("slow"), anthropic.RateLimitError, "rate_limit_error"),
        (errors.Internal("oops"), anthropic.InternalServerError, "api_error"),
        (errors.Unavailable("later", retry_after_seconds=3), anthropic.InternalServerError, "overloaded_error"),
        (errors.DeadlineExceeded("late"), anthropic.InternalServerError, "timeout_error"),
    ],
)
async def test_our_errors_are_the_sdks_exceptions(
    world: World, sdk: Any, failure: Exception, kind: type[anthropic.APIStatusError], word: str
) -> None:
    world.mesh.cache.failure = failure
    for extra in ({}, {"stream": True}):
        with pytest.raises(kind) as caught:
            await sdk.messages.create(**PLAIN, **extra)
        told: Any = caught.value.body
        assert (told["type"], told["error"]["type"], told["error"]["message"]) == ("error", word, str(failure))
        assert told["request_id"] == caught.value.request_id == caught.value.response.headers["x-request-id"]


async def test_an_anthropic_backends_refusal_passes_unchanged(world: World, sdk: Any) -> None:
    body = '{"type":"error", "error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_up"}'
    world.mesh.cache.failure = provider_error(529, body, errors.Unavailable, retry_after="7")
    with pytest.raises(anthropic.APIStatusError) as caught:
        await sdk.messages.create(**PLAIN)
    assert (caught.value.status_code, caught.value.response.text) == (529, body)
    assert caught.value.response.headers["retry-after"] == "7"


async def test_another_backends_refusal_is_told_in_anthropics_form(world: World, sdk: Any) -> None:
    body = '{"error":{"message":"slow down","type":"tokens","param":null,"code":"rate_limit_exceeded"}}'
    world.mesh.cache.failure = provider_error(429, body, errors.ResourceExhausted, retry_after="7")
    with pytest.raises(anthropic.RateLimitError) as caught:
        await sdk.messages.create(**PLAIN)
    assert caught.value.type == "rate_limit_error"
    assert caught.value.api_message == "slow down"
    assert caught.value.response.headers["retry-after"] == "7"


async def test_an_anthropic_backends_refusal_is_told_to_openai_clients_in_their_form(world: World) -> None:
    body = '{"type":"error","error":{"type":"overloaded_error","message":"slow down"}}'
    world.mesh.cache.failure = provider_error(529, body, errors.Unavailable)
    got = await world.ask()
    assert got.status_code == 529
    assert got.json()["error"] == {
        "message": "slow down",
        "type": "server_error",
        "param": None,
        "code": "provider_error",
    }


async def test_a_late_failure_ends_the_stream_as_an_error(world: World, sdk: Any) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), errors.Unavailable("backend died")]
    stream = await sdk.messages.create(**PLAIN, stream=True)
    with pytest.raises(anthropic.APIStatusError, match="backend died") as caught:
        _ = [event async for event in stream]
    assert caught.value.type == "overloaded_error"


@pytest.mark.parametrize(
    ("verb", "path", "status", "word"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("POST", "/v1/v1/complete", 404, "not_found_error"),
        ("POST", "/v1/messages", 400, "invalid_request_error"),
    ],
)
async def test_every_error_under_its_paths_has_anthropics_form(
    world: World, verb: str, path: str, status: int, word: str
) -> None:
    got = await world.http.request(verb, path, content=b"{")
    assert (got.status_code, got.json()["type"], got.json()["error"]["type"]) == (status, "error", word)
    assert got.headers["request-id"] == got.json()["request_id"]
    assert "openai-processing-ms" not in got.headers


async def test_a_wrong_key_is_an_authentication_error(world: World) -> None:
    async with anthropic.AsyncAnthropic(base_url=world.url, api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            await client.messages.create(**PLAIN)
        assert caught.value.type == "authentication_error"
        with pytest.raises(anthropic.AuthenticationError):
            await client.models.list()


async def test_a_body_too_large_is_told_in_anthropics_form(world_with: Worlds) -> None:
    async with world_with(max_body_bytes=2_000) as world:
        got = await world.http.post("/v1/messages", content=b"x" * 5_000)
        assert (got.status_code, got.json()["error"]["type"]) == (413, "request_too_large")


async def test_limits_are_told_in_anthropics_headers(world_with: Worlds) -> None:
    async with world_with(rate_limit_rps=1, rate_limit_burst=1) as world:
        served, refused = [await world.http.post("/v1/messages", json=PLAIN) for _ in range(2)]
        assert served.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert served.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert served.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        assert not any(name.startswith("x-ratelimit") for name in served.headers)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        assert refused.headers["retry-after"] == "1"


async def test_the_cache_tells_what_it_did_as_on_every_edge(world: World) -> None:
    replies(world, answer(), hit())
    got = await world.http.post("/v1/messages", json={**PLAIN, "synapse_metadata": True})
    assert got.headers["x-synapse-cache-status"] == "HIT-L1"
    assert got.headers["age"] == "188"
    assert got.json()["synapse_metadata"]["cache_hit"] is True
    assert not world.mesh.cache.requests[0].request.extra_json


async def test_a_silent_stream_gets_pings_that_the_sdk_skips(world_with: Worlds) -> None:
    async with world_with(ping_seconds=0.1) as world:
        script = [message(*events("a")[:2], outcome=miss()), 0.5, message(*events("a")[2:])]
        world.mesh.cache.script = script
        got = await world.http.post("/v1/messages", json={**PLAIN, "stream": True})
        assert got.text.count("event: ping\n") >= 3
        assert got.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
        world.mesh.cache.script = script
        async with (
            anthropic.AsyncAnthropic(base_url=world.url, api_key="sk-admin") as client,
            client.messages.stream(**PLAIN) as stream,
        ):
            assert await stream.get_final_text() == "a"


async def test_leaving_a_stream_cancels_the_call_behind_it(world: World, sdk: Any) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), 30.0]
    stream = await sdk.messages.create(**PLAIN, stream=True)
    async for _event in stream:
        break
    await stream.close()
    await asyncio.wait_for(world.mesh.cache.left.wait(), 2)


async def test_a_client_that_waits_no_longer_cancels_the_call_behind_it(world: World, sdk: Any) -> None:
    async def never(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        await asyncio.sleep(30)
        raise AssertionError

    world.mesh.cache.reply = never
    with pytest.raises(anthropic.APITimeoutError):
        await sdk.with_options(timeout=0.3).messages.create(**PLAIN)
    await asyncio.wait_for(world.mesh.cache.left.wait(), 2)


async def test_a_failed_count_keeps_its_kind(world: World, sdk: Any) -> None:
    world.mesh.router.failure = errors.NotFound("no such model", reason="MODEL_NOT_FOUND")
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.count_tokens(model="none", messages=HI)


async def test_the_callers_own_provider_key_travels_on_every_edge(world: World, sdk: Any) -> None:
    own = {"x-synapse-provider-key": "sk-mine"}
    await sdk.messages.create(**PLAIN, extra_headers=own)
    await sdk.messages.count_tokens(model="small", messages=HI, extra_headers=own)
    await world.ask(headers=own)
    asked = [*world.mesh.cache.requests, *world.mesh.router.requests]
    assert [one.request.caller.provider_key for one in asked] == ["sk-mine"] * 3


async def test_a_provider_key_that_is_none_is_refused_unshown(world: World) -> None:
    got = await world.ask(headers={"x-synapse-provider-key": "sk-a b"})
    assert (got.status_code, got.json()["error"]["param"]) == (400, "x-synapse-provider-key")
    assert "sk-a" not in got.text
