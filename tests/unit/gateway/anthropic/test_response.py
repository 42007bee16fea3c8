"""Answers of any backend go out in Anthropic's form; its own lose nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse_gateway.anthropic import response
from synapse_gateway.anthropic.request import read_messages
from synapse_gateway.dialect import Asked, Stamp
from synapse_llm_router.adapters.anthropic.answer import read_answer
from tests.support.cache_double import answer
from tests.unit.gateway.anthropic.answers import messages

MISS = Stamp(now=1_800_000_000, fresh=False)
HIT = Stamp(now=1_800_000_000, fresh=True)
ASKED = Asked(request_pb2.GenerationRequest(), stream=False)


def told(generation: generation_pb2.Generation, stamp: Stamp = MISS) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(response.message(generation, ASKED, stamp))
    return made


def of(**choice: Any) -> dict[str, Any]:
    """What is told of an answer with this one choice."""
    choice.setdefault("finish_reason", generation_pb2.FINISH_REASON_STOP)
    return told(generation_pb2.Generation(model="m", choices=[generation_pb2.Choice(**choice)]))


@given(messages())
def test_an_anthropic_backends_answer_goes_out_as_it_came(message: dict[str, Any]) -> None:
    generation = generation_pb2.Generation()
    read_answer(json.loads(json.dumps(message)), generation)
    assert told(generation) == message


def test_a_plain_answer_has_anthropics_form() -> None:
    made = told(answer())
    assert made.pop("id").startswith("msg_")
    assert made == {
        "type": "message",
        "role": "assistant",
        "model": "small",
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 9,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "output_tokens": 3,
        },
    }


def test_a_stored_answer_has_an_id_of_its_own() -> None:
    given_answer = answer()
    given_answer.id = "msg_upstream"
    assert told(given_answer)["id"] == "msg_upstream"
    ids = {told(given_answer, HIT)["id"] for _ in range(3)}
    assert len(ids) == 3
    assert "msg_upstream" not in ids


def test_members_of_another_protocol_stay_behind() -> None:
    made = answer()
    made.extra_json, made.usage.extra_json = '{"x":1}', '{"prompt_tokens_details":{}}'
    made.choices[0].message_extra_json, made.choices[0].extra_json = '{"annotations":[]}', '{"y":1}'
    made.choices[0].tool_calls.add(id="c", name="f", arguments="{}", extra_json='{"z":1}')
    made.protocol = request_pb2.PROTOCOL_OPENAI
    assert not {'"x"', '"y"', '"z"', '"annotations"', '"prompt_tokens_details"'} & set(json.dumps(told(made)).split())
    made.protocol = request_pb2.PROTOCOL_ANTHROPIC
    kept = told(made)
    assert (kept["x"], kept["y"], kept["content"][1]["z"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "told_input"),
    [
        ('{"a": 12345678901234567890123, "b": 1.50}', {"a": 12345678901234567890123, "b": 1.5}),
        ("", {}),
        ("null", {}),
        (' {"a": ', {"INVALID_JSON": ' {"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
    ],
)
def test_arguments_are_an_object_and_broken_ones_are_shown(arguments: str, told_input: Any) -> None:
    (block,) = of(tool_calls=[{"id": "c", "name": "f", "arguments": arguments}])["content"]
    assert block == {"type": "tool_use", "id": "c", "name": "f", "input": told_input}


def test_a_call_without_an_id_gets_one() -> None:
    (block,) = of(tool_calls=[{"name": "f"}])["content"]
    assert block["id"].startswith("toolu_")


def test_a_refusal_is_a_text_and_the_reason() -> None:
    made = of(refusal="No.")
    assert (made["content"], made["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")


def test_an_empty_text_is_no_block() -> None:
    assert of(content="")["content"] == []


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "end_turn"),
        ({"stop_sequence": "END"}, "stop_sequence"),
        ({"finish_reason": generation_pb2.FINISH_REASON_LENGTH}, "max_tokens"),
        (
            {"finish_reason": generation_pb2.FINISH_REASON_LENGTH, "finish_detail": "model_context_window_exceeded"},
            "model_context_window_exceeded",
        ),
        ({"finish_reason": generation_pb2.FINISH_REASON_TOOL_CALLS}, "tool_use"),
        ({"finish_reason": generation_pb2.FINISH_REASON_CONTENT_FILTER}, "refusal"),
        ({"finish_reason": generation_pb2.FINISH_REASON_OTHER, "finish_detail": "pause_turn"}, "pause_turn"),
        ({"finish_reason": generation_pb2.FINISH_REASON_UNSPECIFIED}, "end_turn"),
        ({"tool_calls": [{"id": "c", "name": "f"}]}, "tool_use"),  # OpenAI says "stop" where the tool was named
    ],
)
def test_every_reason_has_anthropics_word(members: dict[str, Any], reason: str) -> None:
    assert of(**members)["stop_reason"] == reason


def test_the_cached_parts_of_the_prompt_are_no_input() -> None:
    made = answer()
    made.usage.prompt_tokens, made.usage.cache_read_tokens, made.usage.cache_write_tokens = 100, 60, 30
    usage = told(made)["usage"]
    assert usage["input_tokens"] == 10
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (60, 30)


def test_what_blocks_do_not_place_follows_them() -> None:
    choice = generation_pb2.Choice(content="ab", finish_reason=generation_pb2.FINISH_REASON_TOOL_CALLS)
    choice.blocks.add(kind=generation_pb2.BLOCK_KIND_TEXT, text_length=1)
    choice.tool_calls.add(id="c", name="f")
    made = told(generation_pb2.Generation(choices=[choice]))
    assert [block.get("text") for block in made["content"]] == ["a", "b", None]


def test_an_outcome_is_told_where_it_was_asked_for() -> None:
    assert "synapse_metadata" not in told(answer())
    assert told(answer(), Stamp(now=1, fresh=True, metadata={"cache_hit": True}))["synapse_metadata"] == {
        "cache_hit": True
    }


def test_a_request_may_ask_for_the_outcome() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}], "synapse_metadata": True}
    assert read_messages(json.dumps(body).encode(), {}).tell_outcome
