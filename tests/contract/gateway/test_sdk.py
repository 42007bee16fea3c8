"""The official OpenAI SDK gets what it expects."""

from __future__ import annotations

import asyncio

import openai
import pytest
from google.protobuf import any_pb2

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.llm.v1 import content_pb2, generation_pb2
from synapse.router.v1 import router_pb2
from synapse_runtime import errors
from tests.contract.gateway.conftest import World
from tests.support.cache_double import answer, events, hit, message, miss

HI = [{"role": "user", "content": "hi"}]
Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent


def replies(world: World, generation: generation_pb2.Generation, outcome: outcome_pb2.Outcome | None = None) -> None:
    async def reply(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return cache_pb2.GenerateResponse(generation=generation, outcome=outcome or miss())

    world.mesh.cache.reply = reply


def provider_error(status: int, body: str, **headers: str) -> errors.SynapseError:
    detail = any_pb2.Any()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    detail.Pack(router_pb2.ProviderError(http_status=status, body=body, content_type="application/json", headers=named))
    return errors.ResourceExhausted("refused", reason="PROVIDER_ERROR", details=[detail])


async def test_a_plain_question_is_answered(world: World) -> None:
    made = await world.openai.chat.completions.create(model="small", messages=HI, temperature=0.5, seed=7)
    assert made.choices[0].message.content == "Paris."
    assert made.usage is not None
    assert made.usage.total_tokens == 12
    (asked,) = world.mesh.cache.requests
    assert (asked.request.messages[0].text, asked.request.sampling.seed) == ("hi", 7)


async def test_several_choices_come_back(world: World) -> None:
    replies(world, answer(choices=3))
    made = await world.openai.chat.completions.create(model="small", messages=HI, n=3)
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    assert world.mesh.cache.requests[0].request.sampling.choice_count == 3


async def test_tool_calls_come_back(world: World) -> None:
    call = content_pb2.ToolCall(id="c1", type="function", name="weather", arguments='{"city":"Oslo"}')
    given = answer()
    given.choices[0].tool_calls.append(call)
    given.choices[0].finish_reason = generation_pb2.FINISH_REASON_TOOL_CALLS
    replies(world, given)
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    made = await world.openai.chat.completions.create(model="small", messages=HI, tools=tools)
    assert made.choices[0].finish_reason == "tool_calls"
    assert made.choices[0].message.tool_calls[0].function.arguments == '{"city":"Oslo"}'
    assert world.mesh.cache.requests[0].request.tools[0].name == "weather"


async def test_logprobs_come_back(world: World) -> None:
    given = answer("a")
    given.choices[0].logprobs.content.add(token="a", logprob=-0.25, token_bytes=b"a")
    replies(world, given)
    made = await world.openai.chat.completions.create(model="small", messages=HI, logprobs=True)
    assert made.choices[0].logprobs.content[0].logprob == -0.25


async def test_structured_output_parses(world: World) -> None:
    import pydantic

    class City(pydantic.BaseModel):
        name: str

    replies(world, answer('{"name":"Oslo"}'))
    made = await world.openai.chat.completions.parse(model="small", messages=HI, response_format=City)
    assert made.choices[0].message.parsed == City(name="Oslo")
    assert world.mesh.cache.requests[0].request.response_format.type == "json_schema"


async def test_a_stream_arrives_whole(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par", "is."), outcome=hit())]
    stream = await world.openai.chat.completions.create(model="small", messages=HI, stream=True)
    made = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in made) == "Paris."
    assert made[0].choices[0].delta.role == "assistant"
    assert made[-1].choices[0].finish_reason == "stop"


async def test_the_usage_chunk_comes_last_when_asked_for(world: World) -> None:
    world.mesh.cache.script = [message(*events("x"), outcome=miss())]
    stream = await world.openai.chat.completions.create(
        model="small", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    *others, last = [chunk async for chunk in stream]
    assert last.choices == []
    assert last.usage.total_tokens == 12
    assert all(chunk.usage is None for chunk in others)


async def test_the_sdks_accumulating_helper_understands_streamed_tool_calls(world: World) -> None:
    call = generation_pb2.ToolCallDelta
    pieces = [
        Event(deltas=[Delta(role="assistant", tool_calls=[call(id="c1", type="function", name="f", arguments="")])]),
        Event(deltas=[Delta(tool_calls=[call(arguments='{"a":')])]),
        Event(deltas=[Delta(tool_calls=[call(arguments="1}")])]),
        Event(deltas=[Delta(finish_reason=generation_pb2.FINISH_REASON_TOOL_CALLS)]),
    ]
    world.mesh.cache.script = [message(pieces[0], outcome=miss()), *(message(piece) for piece in pieces[1:])]
    tools = [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}]
    async with world.openai.chat.completions.stream(model="small", messages=HI, tools=tools) as stream:
        made = await stream.get_final_completion()
    assert made.choices[0].message.tool_calls[0].function.arguments == '{"a":1}'


async def test_a_late_failure_ends_the_stream_as_an_error(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), errors.Unavailable("backend died")]
    stream = await world.openai.chat.completions.create(model="small", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="backend died"):
        _ = [chunk async for chunk in stream]


async def test_a_backends_refusal_keeps_status_body_and_headers(world: World) -> None:
    body = '{"error":{"message":"slow down","type":"tokens","param":null,"code":"rate_limit_exceeded"}}'
    world.mesh.cache.failure = provider_error(429, body, retry_after="7")
    with pytest.raises(openai.RateLimitError) as caught:
        await world.openai.chat.completions.create(model="small", messages=HI)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.text == body
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (errors.NotFound("no such model", reason="MODEL_NOT_FOUND"), openai.NotFoundError),
        (errors.InvalidArgument("bad"), openai.BadRequestError),
        (errors.PermissionDenied("no"), openai.PermissionDeniedError),
        (errors.Internal("oops"), openai.InternalServerError),
        (errors.Unavailable("later", retry_after_seconds=3), openai.InternalServerError),
    ],
)
async def test_our_errors_are_the_sdks_exceptions(world: World, failure: Exception, kind: type[Exception]) -> None:
    world.mesh.cache.failure = failure
    with pytest.raises(kind):
        await world.openai.chat.completions.create(model="small", messages=HI)
    with pytest.raises(kind):
        await world.openai.chat.completions.create(model="small", messages=HI, stream=True)


async def test_a_failure_before_the_first_event_keeps_its_status(world: World) -> None:
    world.mesh.cache.script = [message(outcome=miss()), provider_error(402, '{"error":{"message":"pay"}}')]
    with pytest.raises(openai.APIStatusError) as caught:
        await world.openai.chat.completions.create(model="small", messages=HI, stream=True)
    assert caught.value.status_code == 402


async def test_leaving_a_stream_cancels_the_call_behind_it(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), 30.0]
    stream = await world.openai.chat.completions.create(model="small", messages=HI, stream=True)
    async for _chunk in stream:
        break
    await stream.close()
    await asyncio.wait_for(world.mesh.cache.left.wait(), 2)


async def test_leaving_a_plain_question_cancels_the_call_behind_it(world: World) -> None:
    async def never(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        await asyncio.sleep(30)
        raise AssertionError

    world.mesh.cache.reply = never
    with pytest.raises(openai.APITimeoutError):
        await world.openai.with_options(timeout=0.3).chat.completions.create(model="small", messages=HI)
    await asyncio.wait_for(world.mesh.cache.left.wait(), 2)


async def test_legacy_completions_work_whole_and_streamed(world: World) -> None:
    made = await world.openai.completions.create(model="small", prompt="The capital", max_tokens=5)
    assert made.choices[0].text == "Paris."
    world.mesh.cache.script = [message(*events("Par", "is."), outcome=hit())]
    stream = await world.openai.completions.create(model="small", prompt="The capital", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == "Paris."


async def test_embeddings_come_back_in_order(world: World) -> None:
    made = await world.openai.embeddings.create(model="mini", input=["a", "bbb"])
    assert [entry.index for entry in made.data] == [0, 1]
    assert [entry.embedding[0] for entry in made.data] == [1.0, 3.0]  # the SDK asks for base64
    assert made.usage.total_tokens == 2


async def test_models_are_listed_and_found_by_ids_with_slashes(world: World) -> None:
    names = [model.id async for model in world.openai.models.list()]
    assert names == ["small", "meta-llama/Llama-3-8B", "sentence-transformers/all-MiniLM-L6-v2"]
    found = await world.openai.models.retrieve("meta-llama/Llama-3-8B")
    assert (found.owned_by, found.created) == ("vllm", 1_700_000_000)
    with pytest.raises(openai.NotFoundError) as caught:
        await world.openai.models.retrieve("none/such")
    assert caught.value.code == "model_not_found"
