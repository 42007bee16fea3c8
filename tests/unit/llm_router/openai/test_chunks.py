"""A stream's chunks keep everything, in order, in the canonical form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.openai.chunks import ChunkReader
from synapse_llm_router.adapters.openai.stream import ChunkEvents

HEAD = {"id": "c-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}


def events(*chunks: Any, reader: ChunkReader | None = None) -> list[llm.GenerationEvent]:
    """The events that `chunks` make; those with nothing to tell make none."""
    reader = reader or ChunkReader()
    found = []
    for chunk in chunks:
        event = llm.GenerationEvent()
        if reader.read(chunk, event):
            found.append(event)
    return found


def piece(delta: dict[str, Any], *, index: int = 0, reason: str | None = None, **choice: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": reason, **choice}]}


def test_the_head_is_told_once() -> None:
    first, second = events(piece({"role": "assistant", "content": ""}), piece({"content": "a"}))
    assert (first.head.id, first.head.model, first.head.create_time.seconds) == ("c-1", "m", 1700000000)
    assert (first.deltas[0].role, first.deltas[0].HasField("content")) == ("assistant", True)
    assert not second.HasField("head")
    assert second.deltas[0].content == "a"


def test_the_first_event_tells_the_protocol_whatever_it_lacks() -> None:
    first, second = events({"choices": [{"index": 0, "delta": {"content": "a"}}]}, piece({"content": "b"}))
    assert (first.head.protocol, second.head.protocol) == (PROTOCOL_OPENAI, PROTOCOL_OPENAI)


def test_the_stop_text_that_vllm_names_is_typed_and_kept() -> None:
    (event,) = events(piece({}, reason="stop", stop_reason="###"))
    assert (event.deltas[0].stop_sequence, event.deltas[0].extra_json) == ("###", '{"stop_reason":"###"}')


def test_the_head_is_told_again_where_it_changes() -> None:
    last = {**piece({}, reason="stop"), "service_tier": "flex"}
    _, second, third = events(piece({"content": "a"}), last, {**last, "service_tier": None})
    assert (second.head.id, second.head.service_tier) == ("c-1", "flex")
    assert not third.HasField("head")


def test_tool_calls_keep_their_index_and_pieces() -> None:
    begun = {"index": 1, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 1, "function": {"arguments": '{"a"'}}
    first, second = events(piece({"tool_calls": [begun]}), piece({"tool_calls": [more]}))
    call = first.deltas[0].tool_calls[0]
    assert (call.index, call.id, call.type, call.name, call.arguments) == (1, "call_1", "function", "f", "")
    assert second.deltas[0].tool_calls[0] == llm.ToolCallDelta(index=1, arguments='{"a"')


def test_a_call_of_index_zero_and_custom_members_are_kept() -> None:
    (event,) = events(piece({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"input": "x"}}]}))
    call = event.deltas[0].tool_calls[0]
    assert (call.index, call.type, call.extra_json) == (0, "custom", '{"custom":{"input":"x"}}')


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_remembers_its_member(field: str) -> None:
    (event,) = events(piece({field: "hm", "content": None}))
    assert event.deltas[0].reasoning == llm.ReasoningText(text="hm", field=field)


def test_unknown_members_are_kept_at_their_level() -> None:
    (event,) = events({**piece({"content": "a", "x": 1}, y=2), "z": 3, "obfuscation": "abc", "usage": None})
    delta = event.deltas[0]
    assert (delta.delta_extra_json, delta.extra_json, event.extra_json) == ('{"x":1}', '{"y":2}', '{"z":3}')


def test_probabilities_of_a_piece_are_typed() -> None:
    token = {
        "token": "é",
        "logprob": -0.5,
        "bytes": [195, 169],
        "top_logprobs": [{"token": "e", "logprob": -1, "bytes": None}],
    }
    (event,) = events(piece({"content": "é"}, logprobs={"content": [token], "refusal": None}))
    found = event.deltas[0].logprobs.content[0]
    assert (found.token_bytes, found.logprob, found.top[0].token) == ("é".encode(), -0.5, "e")
    assert not found.top[0].HasField("token_bytes")


def test_the_usage_chunk_has_no_choices() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    *_, event = events(piece({"content": "a"}), {**HEAD, "choices": [], "usage": usage})
    assert (event.usage.total_tokens, event.usage.cache_read_tokens, len(event.deltas)) == (7, 2, 0)
    assert event.usage.extra_json == '{"prompt_tokens_details":{"cached_tokens":2}}'


def test_a_completions_chunk_is_text_with_its_own_probabilities() -> None:
    choice = {"index": 0, "text": "a", "logprobs": {"tokens": ["a"]}, "finish_reason": "length", "stop_reason": None}
    (event,) = events({**HEAD, "choices": [choice]})
    delta = event.deltas[0]
    assert (delta.content, delta.logprobs.legacy_json) == ("a", '{"tokens":["a"]}')
    assert (delta.finish_reason, delta.extra_json) == (llm.FINISH_REASON_LENGTH, '{"stop_reason":null}')


def test_an_unusual_reason_is_kept_by_its_word() -> None:
    (event,) = events(piece({}, reason="eos_token"))
    assert (event.deltas[0].finish_reason, event.deltas[0].finish_detail) == (llm.FINISH_REASON_OTHER, "eos_token")


def test_chunks_with_nothing_to_tell_make_no_event() -> None:
    empty = {**HEAD, "choices": [], "obfuscation": "x"}
    assert len(events(empty, empty, {**HEAD, "usage": None})) == 1


def test_a_stream_is_finished_when_every_choice_is() -> None:
    reader = ChunkReader()
    told = []
    for chunk in (
        piece({"content": "a"}),
        piece({}, reason="stop"),
        piece({}, index=1),
        piece({}, index=1, reason="stop"),
    ):
        events(chunk, reader=reader)
        told.append(reader.finished)
    events({**HEAD, "choices": [], "usage": {}}, reader=reader)
    assert (told, reader.finished) == ([False, True, False, True], True)


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), max_size=20))
def test_no_text_is_lost_or_moved(said: list[tuple[int, str]]) -> None:
    found = events(*(piece({"content": text}, index=index) for index, text in said))
    assert [(delta.index, delta.content) for event in found for delta in event.deltas] == said


odd_pieces = st.one_of(
    st.text(max_size=5).map(lambda text: piece({"content": text})),
    st.tuples(st.integers(0, 2), st.text(max_size=5)).map(lambda said: piece({"content": said[1]}, index=said[0])),
    st.sampled_from(
        [
            piece({"content": "a", "x": 2**70}),
            piece({"content": "a"}, y=1),
            {**piece({"content": "a"}), "z": 2**70},
            {**piece({"content": "a"}), "model": "other"},
            {**piece({"content": "a"}), "usage": {"prompt_tokens": 1}},
            piece({"content": "a"}, logprobs={"content": []}),
            piece({"content": None}),
            piece({"content": "a"}, reason="stop"),
            piece({}),
        ]
    ),
)


@given(st.lists(odd_pieces, max_size=12))
def test_bare_texts_are_read_as_any_other_chunk(chunks: list[dict[str, Any]]) -> None:
    reader, response = ChunkEvents("b", {}), StreamGenerateResponse()
    for chunk in chunks:
        reader.read(b"", json.dumps(chunk).encode(), response)
    assert list(response.events) == events(*chunks)


@pytest.mark.parametrize(
    "chunk",
    [
        7,
        None,
        [],
        {"choices": 7},
        {"choices": [7]},
        {"choices": [{"index": "a", "delta": {}}]},
        {"choices": [{"delta": "a"}]},
        {"choices": [{"index": [], "delta": {"content": "a"}}]},
    ],
)
def test_what_is_no_chunk_is_malformed(chunk: Any) -> None:
    with pytest.raises(Malformed):
        events(chunk)
