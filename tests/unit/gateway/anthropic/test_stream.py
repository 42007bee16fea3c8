"""Streams follow Anthropic's grammar of events, and make the message that is told whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse.router.v1 import router_pb2
from synapse_cache.adapters import replay
from synapse_gateway.anthropic import response
from synapse_gateway.anthropic.stream import MessageWriter
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.problems import Problem
from synapse_llm_router.adapters.anthropic.answer import read_answer
from synapse_llm_router.adapters.anthropic.events import EventReader
from tests.support.cache_double import events
from tests.unit.gateway.anthropic.answers import generations, messages
from tests.unit.gateway.anthropic.grammar import accumulated, check, events_of, streamed, without_nulls

Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent
Call = generation_pb2.ToolCallDelta
ASKED = Asked(request_pb2.GenerationRequest(model="asked"), stream=True)
MISS = Stamp(now=1_800_000_000, fresh=False)


def told(given: Sequence[Event], *, cut: int = 1, stamp: Stamp = MISS) -> list[dict[str, Any]]:
    """The events of a stream that comes `cut` at a time; they must follow the grammar."""
    writer = MessageWriter(ASKED, stamp)
    pieces = [writer.render(given[start : start + cut]) for start in range(0, len(given), cut)]
    made = events_of(b"".join(pieces) + writer.finish())
    check(made)
    return made


def said(given: Sequence[Event]) -> list[dict[str, Any]]:
    """The blocks of a stream."""
    blocks: list[dict[str, Any]] = accumulated(told(given))["content"]
    return without_nulls(blocks)


def of(*deltas: Delta) -> list[Event]:
    return [Event(deltas=[delta]) for delta in deltas]


def calls(*pieces: Call) -> list[Event]:
    return of(*(Delta(tool_calls=[piece]) for piece in pieces))


def comparable(message: dict[str, Any]) -> Any:
    return without_nulls({name: member for name, member in message.items() if name != "id"})


@given(messages(), st.integers(1, 9))
def test_an_anthropic_backends_stream_makes_its_message(message: dict[str, Any], cut: int) -> None:
    reader, read = EventReader(), router_pb2.StreamGenerateResponse()
    for event in streamed(message):
        reader.read(event, read)
    assert without_nulls(accumulated(told(read.events, cut=cut))) == without_nulls(message)


@given(messages())
def test_an_anthropic_answer_out_of_the_cache_makes_its_message(message: dict[str, Any]) -> None:
    generation = generation_pb2.Generation()
    read_answer(json.loads(json.dumps(message)), generation)
    events_at_once = replay.events_of(generation)  # as the cache sends them
    made = accumulated(told(events_at_once, cut=len(events_at_once)))
    assert comparable(made) == comparable(message)


@given(generations(), st.integers(1, 9))
def test_another_backends_answer_is_the_same_whole_and_streamed(
    generation: generation_pb2.Generation, cut: int
) -> None:
    whole = json.loads(response.message(generation, ASKED, MISS))
    assert comparable(accumulated(told(replay.events_of(generation), cut=cut))) == comparable(whole)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "{", '"a":1', "}", "x"])), max_size=12))
def test_calls_in_any_order_keep_the_grammar(pieces: list[tuple[int, str]]) -> None:
    told(calls(*(Call(index=index, id=f"c{index}", name="f", arguments=text) for index, text in pieces)))


def test_a_plain_stream_has_anthropics_form() -> None:
    first, start, one, two, stop, end, last = told(events("Par", "is."), cut=9)
    assert first["message"].pop("id").startswith("msg_")
    assert first["message"]["model"] == "small"
    assert first["message"]["usage"]["input_tokens"] == 9
    assert first["message"]["usage"]["output_tokens"] == 0
    assert start == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    assert one == {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Par"}}
    assert two["delta"] == {"type": "text_delta", "text": "is."}
    assert stop == {"type": "content_block_stop", "index": 0}
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert end["usage"] == {"input_tokens": 9, "output_tokens": 3}
    assert last == {"type": "message_stop"}


def test_an_unknown_prompt_counts_nothing_at_first_and_right_at_last() -> None:
    made = told(events("x"))
    assert made[0]["message"]["usage"]["input_tokens"] == 0
    assert made[-2]["usage"] == {"input_tokens": 9, "output_tokens": 3}


def test_a_stream_without_usage_counts_nothing() -> None:
    assert told(events("x", usage=False))[-2]["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_other_choices_are_not_told() -> None:
    assert said(of(Delta(content="a"), Delta(index=1, content="b"))) == [{"type": "text", "text": "a"}]


def test_a_text_ends_where_a_call_begins() -> None:
    made = said(of(Delta(content="Wait.")) + calls(Call(id="c", name="f", arguments='{"a":'), Call(arguments="1}")))
    assert made == [
        {"type": "text", "text": "Wait."},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    ]


def test_calls_told_one_after_the_other_wait_for_nothing() -> None:
    writer = MessageWriter(ASKED, MISS)
    pieces = calls(
        Call(index=0, id="c0", name="f", arguments=""),
        Call(index=0, arguments="{}"),
        Call(index=1, id="c1", name="f", arguments=""),
        Call(index=1, arguments='{"a":1}'),
    )
    *_, third, fourth = [events_of(writer.render([piece])) for piece in pieces]
    assert [event["type"] for event in third] == ["content_block_stop", "content_block_start"]
    assert fourth[0]["delta"] == {"type": "input_json_delta", "partial_json": '{"a":1}'}


def test_calls_whose_pieces_are_mixed_are_told_one_behind_the_other() -> None:
    made = said(
        calls(
            Call(index=0, id="c0", name="f", arguments=""),
            Call(index=1, id="c1", name="g", arguments='{"b"'),
            Call(index=0, arguments='{"a":0}'),
            Call(index=1, arguments=":1}"),
            Call(index=0, arguments=" "),
        )
    )
    assert [(block["id"], block["input"]) for block in made] == [("c0", {"a": 0}), ("c1", {"b": 1})]


def test_plain_thoughts_are_an_unsigned_block() -> None:
    thought = generation_pb2.ReasoningText
    made = said(of(Delta(reasoning=thought(text="h")), Delta(reasoning=thought(text="m")), Delta(content="x")))
    assert made == [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "x"}]


def test_a_refusal_is_a_block_of_its_own_and_the_reason() -> None:
    made = told(of(Delta(content="a"), Delta(refusal="No"), Delta(refusal=".")))
    assert [block["text"] for block in accumulated(made)["content"]] == ["a", "No."]
    assert made[-2]["delta"]["stop_reason"] == "refusal"


def test_announced_blocks_without_content_are_told_empty() -> None:
    kinds = (generation_pb2.BLOCK_KIND_TEXT, generation_pb2.BLOCK_KIND_THINKING, generation_pb2.BLOCK_KIND_TOOL_CALL)
    made = said(of(*(Delta(block=generation_pb2.ContentBlock(kind=kind)) for kind in kinds)))
    assert [block["type"] for block in made] == ["text", "thinking"]


def test_a_late_failure_is_the_last_event() -> None:
    writer = MessageWriter(ASKED, MISS)
    writer.render(events("x")[:2])
    problem = Problem(529, "Overloaded", kind="server_error")
    (event,) = events_of(writer.failure(problem))
    assert event == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_an_anthropic_backends_own_late_failure_is_told_as_it_came() -> None:
    own = {"type": "error", "error": {"type": "api_error", "message": "x", "details": {"a": 1}}}
    problem = Problem(502, "x", told=json.dumps(own).encode())
    assert events_of(MessageWriter(ASKED, MISS).failure(problem)) == [own]


def test_an_outcome_is_told_with_the_beginning() -> None:
    stamp = Stamp(now=1, fresh=True, metadata={"cache_hit": True})
    first, *others = told(events("x"), stamp=stamp)
    assert first["message"]["synapse_metadata"] == {"cache_hit": True}
    assert "synapse_metadata" not in json.dumps(others)


def test_members_of_another_protocol_stay_behind() -> None:
    given_events = events("x")
    given_events[0].head.protocol = request_pb2.PROTOCOL_OPENAI
    for event in given_events:
        event.extra_json = '{"obfuscation":"abc"}'
    given_events[1].deltas[0].delta_extra_json = '{"annotations":[]}'
    text = json.dumps(told(given_events))
    assert "obfuscation" not in text
    assert "annotations" not in text
