"""Legacy completions keep what only they have: several prompts, echo, suffix and their own probabilities."""

from __future__ import annotations

import json

import pytest

from synapse.cache.v1 import cache_pb2
from synapse.llm.v1 import generation_pb2, request_pb2
from tests.contract.gateway.conftest import World
from tests.support.cache_double import answer, events, message, miss

LOGPROBS = {"tokens": [" is"], "token_logprobs": [-0.5], "top_logprobs": [{" is": -0.5}], "text_offset": [0]}
Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent


def replies(world: World, generation: generation_pb2.Generation) -> None:
    async def reply(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return cache_pb2.GenerateResponse(generation=generation, outcome=miss())

    world.mesh.cache.reply = reply


def asked(world: World) -> request_pb2.GenerationRequest:
    return world.mesh.cache.requests[-1].request


async def test_several_prompts_get_an_answer_each(world: World) -> None:
    replies(world, answer(choices=2))
    made = await world.openai.completions.create(model="small", prompt=["One is", "Two is"], n=1)
    assert [choice.index for choice in made.choices] == [0, 1]
    assert (list(asked(world).prompt.texts), asked(world).prompt.batched) == (["One is", "Two is"], True)


@pytest.mark.parametrize(("prompt", "batched"), [([1, 2, 3], False), ([[1, 2], [3]], True)])
async def test_a_prompt_may_be_tokens(world: World, prompt: list[int], batched: bool) -> None:  # noqa: FBT001  # given
    await world.openai.completions.create(model="small", prompt=prompt)
    sent = [list(tokens.ids) for tokens in asked(world).prompt.token_ids]
    assert (sent if batched else sent[0], asked(world).prompt.batched) == (prompt, batched)


async def test_echo_suffix_and_best_of_travel(world: World) -> None:
    await world.openai.completions.create(
        model="small", prompt="One is", echo=True, suffix="two", best_of=3, logprobs=2, stop=["\n", "."]
    )
    prompt, sampling = asked(world).prompt, asked(world).sampling
    assert (prompt.echo, prompt.suffix, sampling.best_of, sampling.top_logprobs) == (True, "two", 3, 2)
    assert list(sampling.stop) == ["\n", "."]


async def test_probabilities_have_their_legacy_form(world: World) -> None:
    given = answer(" is")
    given.choices[0].logprobs.legacy_json = json.dumps(LOGPROBS)
    replies(world, given)
    made = await world.openai.completions.create(model="small", prompt="One", logprobs=1)
    assert made.choices[0].logprobs.to_dict() == LOGPROBS


async def test_streams_of_several_prompts_keep_their_indexes_apart(world: World) -> None:
    stop = generation_pb2.FINISH_REASON_STOP
    pieces = [Event(deltas=[Delta(index=index, content=text)]) for index, text in ((0, "a"), (1, "b"), (0, "c"))]
    ends = [Event(deltas=[Delta(index=index, finish_reason=stop)]) for index in (0, 1)]
    world.mesh.cache.script = [message(pieces[0], outcome=miss()), message(*pieces[1:], *ends)]
    stream = await world.openai.completions.create(model="small", prompt=["x", "y"], stream=True)
    texts, reasons = {0: "", 1: ""}, {}
    async for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert (texts, reasons) == ({0: "ac", 1: "b"}, {0: "stop", 1: "stop"})


async def test_streamed_probabilities_ride_on_their_piece(world: World) -> None:
    piece = Delta(content=" is")
    piece.logprobs.legacy_json = json.dumps(LOGPROBS)
    world.mesh.cache.script = [message(Event(deltas=[piece]), outcome=miss())]
    stream = await world.openai.completions.create(model="small", prompt="x", stream=True, logprobs=1)
    (chunk,) = [chunk async for chunk in stream]
    assert chunk.choices[0].logprobs.to_dict() == LOGPROBS


async def test_the_usage_of_a_stream_comes_last_when_asked_for(world: World) -> None:
    world.mesh.cache.script = [message(*events("x"), outcome=miss())]
    stream = await world.openai.completions.create(
        model="small", prompt="x", stream=True, stream_options={"include_usage": True}
    )
    *_, last = [chunk async for chunk in stream]
    assert (last.choices, last.usage.total_tokens) == ([], 12)
