"""The events of a stream keep everything, in order, in the canonical form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters.anthropic.stream import MessageEvents
from synapse_llm_router.adapters.failures import Malformed
from synapse_runtime.errors import SynapseError
from tests.unit.llm_router.anthropic.answers import messages, stream_of
from tests.unit.llm_router.anthropic.writer import write_stream

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 3}},
}
STOP = {"type": "message_stop"}


class Reading:
    """What reading events gave: the events, and whether the stream was at its end."""

    def __init__(self, *events: Any) -> None:
        reader = MessageEvents("claude", {})
        response = StreamGenerateResponse()
        self.ended = False
        for event in events:
            data = event if isinstance(event, bytes) else json.dumps(event).encode()
            self.ended = reader.read(b"", data, response)
        self.events = list(response.events)

    @property
    def deltas(self) -> list[llm.ChoiceDelta]:
        return [delta for event in self.events for delta in event.deltas]


def block(index: int, kind: str, *pieces: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, **members}},
        *({"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces),
        {"type": "content_block_stop", "index": index},
    ]


def text_piece(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


def input_piece(text: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": text}


@settings(max_examples=300, deadline=None)
@given(messages, st.lists(st.integers(0, 20), max_size=4))
def test_every_stream_tells_the_whole_answer(message: dict[str, Any], cuts: list[int]) -> None:
    reading = Reading(*stream_of(message, cuts))
    assert reading.ended
    assert write_stream(reading.events) == message


def test_the_first_event_has_the_head_the_role_and_the_usage_so_far() -> None:
    (event,) = Reading(START).events
    assert (event.head.id, event.head.model, event.head.protocol) == ("msg_1", "m", PROTOCOL_ANTHROPIC)
    assert event.deltas[0].role == "assistant"
    assert event.usage.prompt_tokens == 3


def test_later_counts_replace_earlier_ones() -> None:
    usage = {"output_tokens": 7, "cache_read_input_tokens": 5, "input_tokens": None}
    *_, last = Reading(START, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}).events
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (8, 7, 15)
    assert last.deltas[0].finish_reason == llm.FINISH_REASON_STOP


def test_parallel_calls_are_counted_and_their_arguments_kept_as_written() -> None:
    first = block(
        0, "tool_use", input_piece(""), input_piece('{"a": 1'), input_piece(".0}"), id="t0", name="f", input={}
    )
    second = block(1, "tool_use", id="t1", name="g", input={})
    calls = [call for delta in Reading(START, *first, *second).deltas for call in delta.tool_calls]
    assert [(call.index, call.id, call.arguments) for call in calls] == [
        (0, "t0", ""),
        (0, "", '{"a": 1'),
        (0, "", ".0}"),
        (1, "t1", ""),
        (1, "", "{}"),
    ]


def test_citations_belong_to_their_block() -> None:
    cited = {"type": "citations_delta", "citation": {"cited_text": "x"}}
    *_, last = Reading(START, *block(0, "text", text_piece("a"), cited, text="")).deltas
    assert json.loads(last.block_extra_json) == {"citations": [{"cited_text": "x"}]}


def test_a_block_of_an_unknown_kind_is_told_whole_at_its_end() -> None:
    begun = block(0, "compaction", {"type": "compaction_delta", "content": "ab"}, {"type": "x", "n": 2**70}, content="")
    reading = Reading(START, *begun[:-1])
    assert len(reading.events) == 1
    *_, last = Reading(START, *begun).deltas
    assert last.block.kind == llm.BLOCK_KIND_OPAQUE
    assert json.loads(last.block.opaque_json) == {"type": "compaction", "content": "ab", "n": 2**70}


def test_pieces_of_an_unknown_type_are_members_of_their_block() -> None:
    *_, last = Reading(START, *block(0, "text", {"type": "mood_delta", "mood": "gay"}, text="")).deltas
    assert json.loads(last.block_extra_json) == {"mood": "gay"}


@pytest.mark.parametrize("noise", [{"type": "ping"}, {"type": "weather", "x": 1}, b"[DONE]"])
def test_pings_and_unknown_events_say_nothing(noise: Any) -> None:
    assert len(Reading(noise, START, noise).events) == 1


def test_the_stream_ends_only_with_its_last_event() -> None:
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert not Reading(START, ended).ended
    assert Reading(START, ended, STOP).ended
    assert not MessageEvents("claude", {}).complete


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("invalid_request_error", "INVALID_ARGUMENT"),
        ("authentication_error", "FAILED_PRECONDITION"),
        ("billing_error", "FAILED_PRECONDITION"),
        ("permission_error", "FAILED_PRECONDITION"),
        ("not_found_error", "NOT_FOUND"),
        ("request_too_large", "INVALID_ARGUMENT"),
        ("rate_limit_error", "RESOURCE_EXHAUSTED"),
        ("timeout_error", "DEADLINE_EXCEEDED"),
        ("api_error", "UNAVAILABLE"),
        ("overloaded_error", "UNAVAILABLE"),
        ("new_error", "UNAVAILABLE"),
    ],
)
def test_an_error_in_the_stream_is_told_as_the_status_it_stands_for(kind: str, code: str) -> None:
    with pytest.raises(SynapseError) as caught:
        Reading(START, {"type": "error", "error": {"type": kind, "message": "Nein."}})
    assert (caught.value.code.name, caught.value.reason, caught.value.message) == (code, "PROVIDER_ERROR", "Nein.")


TEXT_BLOCK = block(0, "text", text="")[0]


@pytest.mark.parametrize(
    "events",
    [
        [7],
        [[]],
        [{}],
        [b"{garbage"],
        [b"\xff"],
        [STOP],
        [TEXT_BLOCK],
        [{"type": "message_start"}],
        [START, START],
        [START, TEXT_BLOCK, TEXT_BLOCK],
        [START, block(0, "text", text_piece("a"), text="")[1]],
        [START, TEXT_BLOCK, block(1, "text", text_piece("a"), text="")[1]],
        [START, TEXT_BLOCK, block(0, "text", {"type": "text_delta", "text": 7}, text="")[1]],
        [START, TEXT_BLOCK, {"type": "content_block_delta", "index": 0}],
        [START, block(0, "text")[0]],
        [START, *block(0, "server_tool_use", input_piece('{"a":'), input={})],
        [START, {"type": "message_delta", "delta": {"stop_reason": 7}}],
        [START, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": "many"}}],
    ],
)
def test_what_is_no_event_or_comes_where_it_must_not_is_malformed(events: list[Any]) -> None:
    with pytest.raises(Malformed):
        Reading(*events)
