"""The official OpenAI SDK gets what it expects of the responses protocol."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pydantic
import pytest

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.llm.v1 import content_pb2, generation_pb2
from synapse_runtime import errors
from tests.contract.gateway.conftest import World
from tests.support.cache_double import answer, events, hit, message, miss
from tests.support.response_events import Reader, events_of

Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent
Piece = generation_pb2.ToolCallDelta
WEATHER = {"type": "function", "name": "weather", "strict": True, "parameters": {"type": "object"}}


class City(pydantic.BaseModel):
    """A form of an answer."""

    name: str


def replies(world: World, generation: generation_pb2.Generation, outcome: outcome_pb2.Outcome | None = None) -> None:
    async def reply(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return cache_pb2.GenerateResponse(generation=generation, outcome=outcome or miss())

    world.mesh.cache.reply = reply


def streams(world: World, *given: Event) -> None:
    world.mesh.cache.script = [message(given[0], outcome=miss()), *(message(event) for event in given[1:])]


def calling(*names: str) -> generation_pb2.Generation:
    given = answer()
    given.choices[0].ClearField("content")
    given.choices[0].finish_reason = generation_pb2.FINISH_REASON_TOOL_CALLS
    for number, name in enumerate(names):
        given.choices[0].tool_calls.add(id=f"call_{number}", type="function", name=name, arguments='{"city":"Oslo"}')
    return given


async def test_a_plain_question_is_answered(world: World) -> None:
    made = await world.openai.responses.create(model="small", input="hi", instructions="Be brief.", temperature=0.5)
    assert made.output_text == "Paris."
    assert (made.status, made.usage.total_tokens, made.instructions) == ("completed", 12, "Be brief.")
    (asked,) = world.mesh.cache.requests
    assert [(said.role, said.text) for said in asked.request.messages] == [("system", "Be brief."), ("user", "hi")]


async def test_a_hit_says_so_in_headers_and_has_an_id_of_its_own(world: World) -> None:
    replies(world, answer(), hit())
    got = await world.http.post("/v1/responses", json={"model": "small", "input": "hi"})
    assert got.headers["x-synapse-cache-status"] == "HIT-L1"
    assert got.headers["x-request-id"]
    assert got.json()["id"].startswith("resp_")


async def test_the_accumulating_stream_understands_every_event(world: World) -> None:
    streams(world, *events("Par", "is."))
    async with world.openai.responses.stream(model="small", input="hi") as stream:
        snapshots = [event.snapshot async for event in stream if event.type == "response.output_text.delta"]
        made = await stream.get_final_response()
    assert snapshots == ["Par", "Paris."]
    assert (made.output_text, made.usage.total_tokens, made.model) == ("Paris.", 12, "small")


async def test_a_stream_of_a_hit_arrives_whole(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par", "is."), outcome=hit())]
    stream = await world.openai.responses.create(model="small", input="hi", stream=True)
    made = [event async for event in stream]
    assert (made[0].type, made[-1].type) == ("response.created", "response.completed")
    assert [event.sequence_number for event in made] == list(range(len(made)))


async def test_the_body_of_a_stream_has_named_events_and_no_end_mark(world: World) -> None:
    streams(world, *events("Par", "is."))
    got = await world.http.post("/v1/responses", json={"model": "small", "input": "hi", "stream": True})
    assert got.headers["content-type"].startswith("text/event-stream")
    assert b"[DONE]" not in got.content
    assert Reader().read(events_of(got.content))["status"] == "completed"


async def test_parallel_calls_and_their_results_make_a_conversation(world: World) -> None:
    replies(world, calling("weather", "weather"))
    items: list[Any] = [{"role": "user", "content": "Oslo and Rome?"}]
    first = await world.openai.responses.create(model="small", input=items, tools=[WEATHER])
    assert [item.name for item in first.output] == ["weather", "weather"]
    items += first.output
    items += [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"sun {item.call_id}"}
        for item in first.output
    ]
    replies(world, answer())
    second = await world.openai.responses.create(model="small", input=items, tools=[WEATHER])
    assert second.output_text == "Paris."
    _, called, *results = world.mesh.cache.requests[-1].request.messages
    assert [call.id for call in called.tool_calls] == ["call_0", "call_1"]
    assert [(result.role, result.tool_call_id, result.text) for result in results] == [
        ("tool", "call_0", "sun call_0"),
        ("tool", "call_1", "sun call_1"),
    ]


async def test_streamed_calls_are_accumulated_and_parsed(world: World) -> None:
    streams(
        world,
        Event(deltas=[Delta(role="assistant", content="")]),
        Event(deltas=[Delta(tool_calls=[Piece(index=0, id="c0", type="function", name="weather", arguments="")])]),
        Event(deltas=[Delta(tool_calls=[Piece(index=0, arguments='{"city":')])]),
        Event(deltas=[Delta(tool_calls=[Piece(index=0, arguments='"Oslo"}')])]),
        Event(deltas=[Delta(tool_calls=[Piece(index=1, id="c1", type="function", name="weather", arguments="{}")])]),
        Event(deltas=[Delta(finish_reason=generation_pb2.FINISH_REASON_TOOL_CALLS)]),
    )
    async with world.openai.responses.stream(model="small", input="hi", tools=[WEATHER]) as stream:
        made = await stream.get_final_response()
    assert [(item.call_id, item.parsed_arguments) for item in made.output] == [("c0", {"city": "Oslo"}), ("c1", {})]


async def test_structured_output_parses_whole_and_streamed(world: World) -> None:
    replies(world, answer('{"name":"Oslo"}'))
    made = await world.openai.responses.parse(model="small", input="hi", text_format=City)
    assert made.output_parsed == City(name="Oslo")
    form = world.mesh.cache.requests[0].request.response_format
    assert (form.type, json.loads(form.json_schema_json)["name"]) == ("json_schema", "City")
    streams(world, *events('{"name":', '"Oslo"}'))
    async with world.openai.responses.stream(model="small", input="hi", text_format=City) as stream:
        streamed = await stream.get_final_response()
    assert streamed.output_parsed == City(name="Oslo")


async def test_pictures_reach_the_question(world: World) -> None:
    url = "data:image/png;base64,eA=="
    content = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url, "detail": "auto"}]
    await world.openai.responses.create(model="small", input=[{"role": "user", "content": content}])
    text, picture = world.mesh.cache.requests[0].request.messages[0].parts
    assert (text.text, picture.image.url) == ("What?", url)


async def test_thoughts_come_as_a_reasoning_item(world: World) -> None:
    thought = generation_pb2.ReasoningText(text="hm", field="reasoning")
    given = answer()
    given.choices[0].reasoning.CopyFrom(thought)
    replies(world, given)
    made = await world.openai.responses.create(model="small", input="hi", reasoning={"effort": "low"})
    assert made.output[0].content[0].text == "hm"
    streams(world, Event(deltas=[Delta(reasoning=thought)]), *events("so"))
    async with world.openai.responses.stream(model="small", input="hi") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.reasoning_text.delta"]
        streamed = await stream.get_final_response()
    assert (deltas, streamed.output[0].content[0].text, streamed.output_text) == (["hm"], "hm", "so")


async def test_a_refusal_comes_back_whole_and_streamed(world: World) -> None:
    given = answer()
    given.choices[0].ClearField("content")
    given.choices[0].refusal = "No."
    replies(world, given)
    made = await world.openai.responses.create(model="small", input="hi")
    assert made.output[0].content[0].refusal == "No."
    streams(world, Event(deltas=[Delta(refusal="N")]), Event(deltas=[Delta(refusal="o.")]))
    async with world.openai.responses.stream(model="small", input="hi") as stream:
        streamed = await stream.get_final_response()
    assert streamed.output[0].content[0].refusal == "No."


async def test_logprobs_come_back(world: World) -> None:
    given = answer("a")
    given.choices[0].logprobs.content.add(token="a", logprob=-0.25, token_bytes=b"a")
    replies(world, given)
    made = await world.openai.responses.create(
        model="small", input="hi", include=["message.output_text.logprobs"], top_logprobs=2
    )
    assert made.output[0].content[0].logprobs[0].logprob == -0.25
    sampling = world.mesh.cache.requests[0].request.sampling
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 2)


async def test_an_answer_cut_short_is_incomplete(world: World) -> None:
    given = answer("Par")
    given.choices[0].finish_reason = generation_pb2.FINISH_REASON_LENGTH
    replies(world, given)
    made = await world.openai.responses.create(model="small", input="hi", max_output_tokens=16)
    assert (made.status, made.incomplete_details.reason) == ("incomplete", "max_output_tokens")


async def test_a_custom_tool_is_called_and_answered(world: World) -> None:
    given = answer()
    given.choices[0].ClearField("content")
    custom = content_pb2.ToolCall(id="c1", type="custom", extra_json='{"custom":{"name":"run","input":"ls"}}')
    given.choices[0].tool_calls.append(custom)
    replies(world, given)
    tool = {"type": "custom", "name": "run"}
    made = await world.openai.responses.create(model="small", input="hi", tools=[tool])
    assert (made.output[0].type, made.output[0].input) == ("custom_tool_call", "ls")
    result = {"type": "custom_tool_call_output", "call_id": "c1", "output": "a.txt"}
    await world.openai.responses.create(model="small", input=[*made.output, result], tools=[tool])
    called, told = world.mesh.cache.requests[-1].request.messages
    assert (json.loads(called.tool_calls[0].extra_json), told.text) == (
        {"custom": {"name": "run", "input": "ls"}},
        "a.txt",
    )


async def test_what_needs_a_state_is_refused_by_name(world: World) -> None:
    for members in ({"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]}):
        with pytest.raises(openai.BadRequestError) as caught:
            await world.openai.responses.create(model="small", input="hi", **members)
        assert caught.value.param in {"previous_response_id", "background", "tools[0].type"}
    assert world.mesh.cache.requests == []


async def test_an_earlier_response_is_not_found(world: World) -> None:
    with pytest.raises(openai.NotFoundError, match="Nothing is kept"):
        await world.openai.responses.retrieve("resp_1")
    with pytest.raises(openai.NotFoundError, match="Nothing is kept"):
        await world.openai.responses.delete("resp_1")
    with pytest.raises(openai.NotFoundError, match="Nothing is kept"):
        await world.openai.responses.cancel("resp_1")


async def test_the_tokens_of_a_question_are_counted(world: World) -> None:
    items = [{"role": "user", "content": text} for text in ("a", "b")]
    made = await world.openai.responses.input_tokens.count(model="small", input=items, instructions="Be brief.")
    assert (made.object, made.input_tokens) == ("response.input_tokens", 3)
    assert world.mesh.cache.requests == []


async def test_our_errors_are_the_sdks_exceptions(world: World) -> None:
    world.mesh.cache.failure = errors.NotFound("no such model", reason="MODEL_NOT_FOUND")
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError) as caught:
            await world.openai.responses.create(model="small", input="hi", stream=stream)
        assert caught.value.code == "model_not_found"


async def test_a_late_failure_ends_the_stream_as_failed(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), errors.Unavailable("backend died")]
    stream = await world.openai.responses.create(model="small", input="hi", stream=True)
    *_, error, failed = [event async for event in stream]
    assert (error.type, error.message) == ("error", "backend died")
    assert (failed.type, failed.response.status) == ("response.failed", "failed")
    assert (failed.response.error.code, failed.response.error.message) == ("server_error", "backend died")


async def test_leaving_a_stream_cancels_the_call_behind_it(world: World) -> None:
    world.mesh.cache.script = [message(*events("Par")[:2], outcome=miss()), 30.0]
    stream = await world.openai.responses.create(model="small", input="hi", stream=True)
    async for _event in stream:
        break
    await stream.close()
    await asyncio.wait_for(world.mesh.cache.left.wait(), 2)


async def test_a_preview_that_misses_asks_no_backend(world: World) -> None:
    async def nothing(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return cache_pb2.GenerateResponse(outcome=miss(stored=False))

    world.mesh.cache.reply = nothing
    headers = {"x-synapse-preview-cache": "true"}
    got = await world.http.post("/v1/responses", json={"model": "small", "input": "hi"}, headers=headers)
    assert got.json()["object"] == "synapse.preview"
