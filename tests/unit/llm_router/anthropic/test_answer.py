"""An answer in Anthropic's words keeps everything in the canonical form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC
from synapse_llm_router.adapters.anthropic.answer import read_answer
from synapse_llm_router.adapters.failures import Malformed
from tests.unit.llm_router.anthropic.answers import messages, usual
from tests.unit.llm_router.anthropic.writer import write_answer

CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
TEXT = {"type": "text", "text": "a"}


def read(body: Any) -> llm.Generation:
    generation = llm.Generation()
    read_answer(body, generation)
    return generation


def of(*blocks: Any, **members: Any) -> llm.Generation:
    return read({"content": list(blocks), **members})


@settings(max_examples=300, deadline=None)
@given(messages)
def test_every_answer_can_be_written_again(body: dict[str, Any]) -> None:
    assert write_answer(read(body)) == body


@given(usual)
def test_blocks_in_the_usual_order_need_no_telling(blocks: list[dict[str, Any]]) -> None:
    assert not of(*blocks).choices[0].blocks


@pytest.mark.parametrize(
    "blocks",
    [
        [TEXT, TEXT],
        [CALL, TEXT],
        [TEXT, {"type": "thinking", "thinking": "hm", "signature": "s"}],
        [{**TEXT, "citations": []}],
        [{**CALL, "caller": {"type": "direct"}}],
        [TEXT, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}],
    ],
)
def test_blocks_in_an_odd_order_or_with_members_are_told(blocks: list[dict[str, Any]]) -> None:
    assert len(of(*blocks).choices[0].blocks) == len(blocks)


def test_an_answer_is_typed() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 5}
    details = {"output_tokens_details": {"thinking_tokens": 4}, "cache_creation": {"ephemeral_5m_input_tokens": 2}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s=="}
    generation = of(thought, TEXT, CALL, id="msg_1", model="claude", stop_reason="tool_use", usage={**usage, **details})
    choice = generation.choices[0]
    assert (generation.id, generation.model, generation.protocol) == ("msg_1", "claude", PROTOCOL_ANTHROPIC)
    assert (choice.content, choice.finish_reason) == ("a", llm.FINISH_REASON_TOOL_CALLS)
    assert (choice.thinking[0].text, choice.thinking[0].signature) == ("hm", "s==")
    assert (choice.tool_calls[0].type, choice.tool_calls[0].arguments) == ("function", "{}")
    told = generation.usage
    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (15, 5, 20)
    assert (told.cache_read_tokens, told.cache_write_tokens, told.reasoning_tokens) == (3, 2, 4)


@pytest.mark.parametrize(
    ("word", "reason", "detail"),
    [
        ("end_turn", llm.FINISH_REASON_STOP, ""),
        ("stop_sequence", llm.FINISH_REASON_STOP, ""),
        ("max_tokens", llm.FINISH_REASON_LENGTH, ""),
        ("model_context_window_exceeded", llm.FINISH_REASON_LENGTH, "model_context_window_exceeded"),
        ("tool_use", llm.FINISH_REASON_TOOL_CALLS, ""),
        ("refusal", llm.FINISH_REASON_CONTENT_FILTER, ""),
        ("pause_turn", llm.FINISH_REASON_OTHER, "pause_turn"),
        ("bored", llm.FINISH_REASON_OTHER, "bored"),
        (None, llm.FINISH_REASON_UNSPECIFIED, ""),
    ],
)
def test_the_reason_of_the_end_is_typed(word: str, reason: int, detail: str) -> None:
    choice = of(TEXT, stop_reason=word, stop_sequence="###" if word == "stop_sequence" else None).choices[0]
    assert (choice.finish_reason, choice.finish_detail) == (reason, detail)
    assert choice.stop_sequence == ("###" if word == "stop_sequence" else "")


def test_an_empty_answer_says_nothing() -> None:
    choice = of(stop_reason="end_turn").choices[0]
    assert not choice.HasField("content")
    assert of({"type": "text", "text": ""}).choices[0].HasField("content")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"content": "a"},
        {"content": [7]},
        {"content": [{}]},
        {"content": [{"type": "text"}]},
        {"content": [{"type": "text", "text": 7}]},
        {"content": [{"type": "tool_use", "id": "t"}]},
        {"content": [], "usage": "much"},
        {"content": [], "usage": {"input_tokens": 1.5}},
        {"content": [], "usage": {"input_tokens": 2**70}},
        {"content": [], "stop_reason": ["end_turn"]},
    ],
)
def test_what_is_no_answer_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed):
        read(body)
