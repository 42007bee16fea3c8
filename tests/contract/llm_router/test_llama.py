"""The same against a real backend: SmolLM2 on llama.cpp."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import orjson
import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, GenerationRequest, ToolChoice
from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, details_of, question, router_of

pytestmark = pytest.mark.slow
SCHEMA = b'{"type":"object","properties":{"city":{"type":"string"},"people":{"type":"integer"}},"required":["city","people"]}'


@pytest.fixture
async def llama(llama_server: str) -> AsyncIterator[Stub]:
    async with router_of({"name": "llama", "provider": "llamacpp", "endpoint": llama_server, "wildcard": True}) as stub:
        yield stub


def short_question(text: str = "What is the capital of France?") -> GenerationRequest:
    request = question(text, model="smollm2")
    request.sampling.temperature = 0
    request.sampling.seed = 7
    request.sampling.max_tokens = 24
    return request


async def whole(stub: Stub, request: GenerationRequest) -> llm.Generation:
    response: wire.GenerateResponse = await stub.Generate(wire.GenerateRequest(request=request))
    return response.generation


async def events(stub: Stub, request: GenerationRequest) -> list[llm.GenerationEvent]:
    call = stub.StreamGenerate(wire.StreamGenerateRequest(request=request))
    return [event async for response in call for event in response.events]


def text_of(found: list[llm.GenerationEvent], index: int = 0) -> str:
    return "".join(delta.content for event in found for delta in event.deltas if delta.index == index)


async def test_a_plain_and_a_streamed_answer_are_the_same(llama: Stub) -> None:
    generation = await whole(llama, short_question())
    found = await events(llama, short_question())
    assert len(generation.choices[0].content) > 20
    assert text_of(found) == generation.choices[0].content
    assert generation.usage.completion_tokens > 0
    assert found[-1].usage.total_tokens == generation.usage.total_tokens
    assert orjson.loads(generation.extra_json)["timings"]["predicted_n"] == generation.usage.completion_tokens


async def test_a_completion_goes_on_with_the_text(llama: Stub) -> None:
    request = GenerationRequest(model="smollm2", kind=GENERATION_KIND_COMPLETION)
    request.prompt.texts.append("One, two, three, four,")
    request.sampling.max_tokens = 8
    request.sampling.temperature = 0
    generation = await whole(llama, request)
    assert "five" in generation.choices[0].content
    assert text_of(await events(llama, request)) == generation.choices[0].content


async def test_several_choices_come_under_their_indexes(llama: Stub) -> None:
    request = short_question()
    request.sampling.choice_count = 2
    assert [choice.index for choice in (await whole(llama, request)).choices] == [0, 1]
    found = await events(llama, request)
    assert text_of(found, 0)
    assert text_of(found, 1)


async def test_token_probabilities_come_along(llama: Stub) -> None:
    request = short_question()
    request.sampling.logprobs = True
    request.sampling.top_logprobs = 2
    generation = await whole(llama, request)
    tokens = generation.choices[0].logprobs.content
    assert b"".join(token.token_bytes for token in tokens).decode().strip().startswith(generation.choices[0].content)
    assert all(len(token.top) == 2 and token.logprob <= 0 for token in tokens)


async def test_a_json_schema_is_kept_to(llama: Stub) -> None:
    request = short_question("Name a city and how many people live there, as JSON.")
    request.sampling.max_tokens = 64
    request.response_format.type = "json_schema"
    request.response_format.json_schema_json = '{"name":"city","strict":true,"schema":' + SCHEMA.decode() + "}"
    answer = orjson.loads((await whole(llama, request)).choices[0].content)
    assert list(answer) == ["city", "people"]


async def test_tools_are_taken_by_a_model_that_calls_none(llama: Stub) -> None:
    request = short_question("How many people live in Rome?")
    request.tools.add(type="function", name="save_city", parameters_json=SCHEMA.decode())
    request.tool_choice.mode = ToolChoice.MODE_AUTO
    assert (await whole(llama, request)).choices[0].content
    assert text_of(await events(llama, request))


async def test_a_stop_text_ends_the_answer(llama: Stub) -> None:
    request = short_question()
    words = (await whole(llama, request)).choices[0].content.split()
    request.sampling.stop.append(words[3])
    stopped = (await whole(llama, request)).choices[0]
    assert words[3] not in stopped.content
    assert stopped.finish_reason == llm.FINISH_REASON_STOP


async def test_a_question_too_long_for_it_is_its_own_error(llama: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await whole(llama, short_question("word " * 4000))
    error = details_of(caught.value)
    assert (error.code.name, error.reason, error.provider.http_status) == ("INVALID_ARGUMENT", "PROVIDER_ERROR", 400)
    assert orjson.loads(error.provider.body)["error"]["message"] == error.message


async def test_its_models_are_listed(llama: Stub) -> None:
    models = (await llama.ListModels(wire.ListModelsRequest())).models
    assert [(model.id, model.owned_by, list(model.backends)) for model in models] == [
        ("smollm2", "llamacpp", ["llama"])
    ]
