"""The wire of Anthropic's Messages against a real backend that was written by others: SmolLM2 on llama.cpp."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC, PROTOCOL_OPENAI, GenerationRequest
from synapse_llm_router.adapters.build import upstream_of
from synapse_llm_router.ports import Upstream
from synapse_llm_router.settings import BackendSettings
from tests.contract.llm_router.asking import TERMS, events, failure, text_of, whole

pytestmark = pytest.mark.slow


@pytest.fixture
async def llama(llama_server: str) -> AsyncIterator[Upstream]:
    settings = {"name": "llama", "provider": "llamacpp", "api_type": "anthropic", "endpoint": llama_server}
    upstream = upstream_of(BackendSettings.model_validate(settings))
    try:
        yield upstream
    finally:
        await upstream.close()


def question(text: str = "What is the capital of France?") -> GenerationRequest:
    request = GenerationRequest(model="smollm2", protocol=PROTOCOL_OPENAI)
    request.messages.add(role="user", text=text)
    request.sampling.temperature = 0
    request.sampling.max_tokens = 24
    return request


async def test_a_plain_and_a_streamed_answer_are_the_same(llama: Upstream) -> None:
    answer, told = await whole(llama, question()), await events(llama, question())
    (choice,) = answer.choices
    assert len(choice.content) > 20
    assert text_of(told) == choice.content
    assert told[0].head.protocol == answer.protocol == PROTOCOL_ANTHROPIC
    assert [delta.finish_reason for event in told for delta in event.deltas][-1] == choice.finish_reason
    last = [event.usage for event in told if event.HasField("usage")][-1]
    assert (last.total_tokens, last.completion_tokens) == (answer.usage.total_tokens, answer.usage.completion_tokens)


async def test_the_tokens_that_it_counts_are_those_that_it_takes(llama: Upstream) -> None:
    counted = await llama.count_tokens(question(), "smollm2", TERMS)
    assert counted == (await whole(llama, question())).usage.prompt_tokens


async def test_a_stop_text_ends_the_answer_and_is_named(llama: Upstream) -> None:
    request = question()
    first = (await whole(llama, request)).choices[0].content.split()[0]
    request.sampling.stop.append(first)
    (choice,) = (await whole(llama, request)).choices
    assert (choice.stop_sequence, choice.finish_reason) == (first, llm.FINISH_REASON_STOP)
    assert first not in choice.content


async def test_calls_of_tools_and_their_results_are_taken(llama: Upstream) -> None:
    request = question("Weather in Paris?")
    request.tools.add(type="function", name="weather", parameters_json='{"type":"object","properties":{}}')
    call = request.messages.add(role="assistant").tool_calls.add(id="call_1", type="function", name="weather")
    call.arguments = '{"city": "Paris"}'
    request.messages.add(role="tool", tool_call_id="call_1", text="21 degrees")
    request.messages.add(role="user", text="And tomorrow?")
    assert (await whole(llama, request)).usage.prompt_tokens > (await whole(llama, question())).usage.prompt_tokens


async def test_the_models_are_listed(llama: Upstream) -> None:
    assert "smollm2" in [model.id for model in await llama.list_models()]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_it_refuses_is_told_as_it_says_it(llama: Upstream, *, streamed: bool) -> None:
    error, _ = await failure(llama, question("word " * 4000), streamed=streamed)
    assert (error.code.name, error.reason) == ("INVALID_ARGUMENT", "PROVIDER_ERROR")
    assert "context" in error.message
