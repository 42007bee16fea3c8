"""A backend's answer keeps everything in the canonical form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.openai.answer import read_answer
from tests.unit.llm_router.openai.requests import calls, members, objects, texts, values
from tests.unit.llm_router.openai.writer import write_answer

counts = st.integers(0, 2**40)
usages = members(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts},
    {"prompt_tokens_details": objects, "completion_tokens_details": values},
)
logprob = st.floats(-100, 0)
raw = st.none() | st.lists(st.integers(0, 255), max_size=4)
token = st.fixed_dictionaries({"token": texts, "logprob": logprob, "bytes": raw}, optional={"id": st.integers(0, 9)})
token_with_top = st.tuples(token, st.lists(token, max_size=2)).map(lambda both: {**both[0], "top_logprobs": both[1]})
logprobs = st.dictionaries(st.sampled_from(["content", "refusal"]), st.lists(token_with_top, min_size=1, max_size=2))
messages = members(
    {"role": st.just("assistant")},
    {
        "content": texts,
        "refusal": texts,
        "reasoning_content": texts,
        "reasoning": texts,
        "tool_calls": st.lists(calls, max_size=2),
        "function_call": objects,
        "annotations": st.lists(objects, max_size=1),
        "audio": objects,
    },
)
reasons = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "function_call", "eos_token", "abort"])
choice_extras: dict[str, Any] = {"finish_reason": reasons, "stop_reason": values, "token_ids": values}
chat_choices = members({"index": st.integers(0, 9), "message": messages}, {**choice_extras, "logprobs": logprobs})
text_choices = members({"index": st.integers(0, 9), "text": texts}, {**choice_extras, "logprobs": objects})
answer_extras: dict[str, Any] = {
    "id": texts.filter(bool),
    "model": texts.filter(bool),
    "created": st.integers(0, 2**33),
    "usage": usages,
    "system_fingerprint": texts,
    "service_tier": texts,
    "timings": objects,
}


def read(body: Any) -> llm.Generation:
    generation = llm.Generation()
    read_answer(body, generation)
    return generation


def of_message(**message: Any) -> llm.Choice:
    return read({"choices": [{"index": 0, "message": message}]}).choices[0]


@settings(max_examples=200, deadline=None)
@given(members({"object": st.just("chat.completion"), "choices": st.lists(chat_choices, max_size=2)}, answer_extras))
def test_every_chat_answer_can_be_written_again(body: dict[str, Any]) -> None:
    assert write_answer(read(body)) == body


@settings(max_examples=100, deadline=None)
@given(
    members(
        {"object": st.just("text_completion"), "choices": st.lists(text_choices, min_size=1, max_size=2)}, answer_extras
    )
)
def test_every_completion_can_be_written_again(body: dict[str, Any]) -> None:
    assert write_answer(read(body), legacy=True) == body


def test_an_answer_of_openai_is_typed() -> None:
    generation = read(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1741570283,
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": None, "refusal": "No.", "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 11,
                "completion_tokens": 5,
                "total_tokens": 16,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            "service_tier": "default",
            "system_fingerprint": None,
        }
    )
    choice = generation.choices[0]
    assert (choice.HasField("content"), choice.refusal) == (False, "No.")
    assert choice.message_extra_json == '{"annotations":[]}'
    assert (generation.usage.cache_read_tokens, generation.usage.reasoning_tokens) == (4, 3)
    assert generation.create_time.seconds == 1741570283
    assert (generation.service_tier, generation.HasField("system_fingerprint")) == ("default", False)


def test_the_keys_of_vllm_and_llama_are_kept() -> None:
    choice = {
        "index": 0,
        "message": {"content": "a", "tool_calls": [], "reasoning_content": None},
        "stop_reason": 128009,
    }
    generation = read({"choices": [choice], "prompt_logprobs": None, "timings": {"prompt_ms": 1.5}})
    assert orjson.loads(generation.extra_json) == {"prompt_logprobs": None, "timings": {"prompt_ms": 1.5}}
    assert generation.choices[0].extra_json == '{"stop_reason":128009}'
    assert not generation.choices[0].HasField("stop_sequence")
    assert generation.choices[0].message_extra_json == '{"tool_calls":[]}'


def test_the_stop_text_that_vllm_names_is_typed_and_kept() -> None:
    generation = read({"choices": [{"index": 0, "message": {}, "finish_reason": "stop", "stop_reason": "###"}]})
    assert generation.protocol == PROTOCOL_OPENAI
    assert generation.choices[0].stop_sequence == "###"
    assert generation.choices[0].extra_json == '{"stop_reason":"###"}'


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_remembers_its_member(field: str) -> None:
    choice = of_message(content="a", **{field: "hm"})
    assert choice.reasoning == llm.ReasoningText(text="hm", field=field)


def test_thinking_that_comes_twice_is_kept_twice() -> None:
    choice = of_message(reasoning="hm", reasoning_content="hm")
    assert choice.reasoning.field == "reasoning"
    assert choice.message_extra_json == '{"reasoning_content":"hm"}'


def test_content_of_another_type_is_an_extra() -> None:
    choice = of_message(content=[{"type": "text", "text": "a"}], role="tool")
    assert not choice.HasField("content")
    assert orjson.loads(choice.message_extra_json) == {"content": [{"type": "text", "text": "a"}], "role": "tool"}


def test_arguments_stay_as_the_model_wrote_them() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1.0, broken'}}
    assert of_message(tool_calls=[call]).tool_calls[0].arguments == '{"a": 1.0, broken'


def test_no_choices_at_all_is_an_answer() -> None:
    assert not read({"choices": []}).choices


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"index": -1}]},
        {"choices": [{"index": 2**40}]},
        {"choices": [], "usage": "much"},
        {"choices": [], "usage": {"prompt_tokens": 1.5}},
        {"choices": [{"message": {"tool_calls": ["f"]}}]},
        {"choices": [{"message": {}, "logprobs": {"content": [{"token": 1}]}}]},
    ],
)
def test_what_is_no_answer_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed):
        read(body)
