"""Streams follow OpenAI's grammar of events to the letter."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai.stream import DONE, ChatChunks, Chunks, CompletionChunks
from tests.support.cache_double import events

MISS = Stamp(now=1_800_000_000, fresh=False)
HIT = Stamp(now=1_800_000_000, fresh=True)
Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent


def asked(model: str = "m", *, usage: bool = False) -> Asked:
    return Asked(request_pb2.GenerationRequest(model=model), stream=True, include_usage=usage)


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    parts = body.split(b"\n\n")
    assert parts.pop() == b""
    assert all(part.startswith(b"data: ") for part in parts)
    return [json.loads(part[6:]) for part in parts if part != b"data: [DONE]"]


def stream(
    *given: Event, stamp: Stamp = MISS, usage: bool = False, kind: type[Chunks] = ChatChunks
) -> list[dict[str, Any]]:
    chunks = kind(asked("asked", usage=usage), stamp)
    return chunks_of(chunks.render(given) + chunks.finish())


def deltas(*given: Event) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in stream(*given) for choice in chunk["choices"]]


def test_a_plain_stream_has_openais_form() -> None:
    first, second, third, stop = stream(*events("Par", "is."))
    assert first == {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "small",
        "system_fingerprint": "fp_1",
        "choices": [
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        ],
    }
    assert second["choices"][0]["delta"] == {"content": "Par"}
    assert third["choices"][0] == {"index": 0, "delta": {"content": "is."}, "logprobs": None, "finish_reason": None}
    assert stop["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]


def test_a_stream_ends_in_done() -> None:
    chunks = ChatChunks(asked(usage=True), MISS)
    chunks.render(events("x"))
    assert chunks.finish().endswith(b"\n\n" + DONE)
    assert ChatChunks(asked(usage=True), MISS).finish() == DONE


def test_usage_is_the_last_chunk_and_null_before() -> None:
    *others, last = stream(*events("x"), usage=True)
    assert [chunk["usage"] for chunk in others] == [None] * 3
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def test_usage_is_not_shown_unless_asked_for() -> None:
    assert all("usage" not in chunk for chunk in stream(*events("x")))


def test_usage_that_rides_on_the_finish_chunk_gets_a_chunk_of_its_own() -> None:
    stop = Delta(finish_reason=generation_pb2.FINISH_REASON_STOP)
    finish, last = stream(Event(deltas=[stop], usage=generation_pb2.Usage(total_tokens=3)), usage=True)
    assert (finish["choices"][0]["finish_reason"], finish["usage"]) == ("stop", None)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 3)


def test_a_hit_has_an_id_and_a_time_of_its_own_on_every_chunk() -> None:
    made = stream(*events("a", "b"), stamp=HIT, usage=True)
    assert len({chunk["id"] for chunk in made}) == 1
    assert made[0]["id"] not in {"", "chatcmpl-upstream"}
    assert {chunk["created"] for chunk in made} == {HIT.now}


def test_the_first_delta_of_each_choice_carries_the_role() -> None:
    made = deltas(*(Event(deltas=[Delta(index=index, content="x")]) for index in (0, 1, 0, 1)))
    assert made == [{"role": "assistant", "content": "x"}] * 2 + [{"content": "x"}] * 2


def test_every_choice_index_is_kept() -> None:
    made = stream(Event(deltas=[Delta(index=0, content="a"), Delta(index=1, content="b")]))
    assert [choice["index"] for choice in made[0]["choices"]] == [0, 1]


def test_tool_calls_show_id_and_name_only_where_they_came() -> None:
    call = generation_pb2.ToolCallDelta
    first = Delta(tool_calls=[call(index=1, id="c1", type="function", name="f", arguments="")])
    more = Delta(tool_calls=[call(index=1, arguments='{"a"')])
    assert deltas(Event(deltas=[first]), Event(deltas=[more])) == [
        {
            "role": "assistant",
            "tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": '{"a"'}}]},
    ]


def test_thinking_and_refusals_are_kept() -> None:
    reasoning = generation_pb2.ReasoningText(text="hm", field="reasoning")
    made = deltas(
        Event(deltas=[Delta(role="assistant", reasoning=reasoning)]),
        Event(deltas=[Delta(thinking=generation_pb2.ThinkingDelta(text="so"))]),
        Event(deltas=[Delta(refusal="No.")]),
    )
    assert made == [{"role": "assistant", "reasoning": "hm"}, {"reasoning_content": "so"}, {"refusal": "No."}]


def test_logprobs_ride_on_their_piece() -> None:
    token = generation_pb2.TokenLogprob(token="a", logprob=-0.5)
    made = stream(Event(deltas=[Delta(content="a", logprobs=generation_pb2.Logprobs(content=[token]))]))
    assert made[0]["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.5


def test_what_nobody_knows_is_kept_and_obfuscation_is_not() -> None:
    odd = Event(
        deltas=[Delta(content="a", delta_extra_json='{"d":1,"obfuscation":"zz"}', extra_json='{"c":2}')],
        extra_json='{"e":3,"obfuscation":"zz"}',
    )
    (made,) = stream(odd)
    assert made["e"] == 3
    assert made["choices"][0]["c"] == 2
    assert made["choices"][0]["delta"]["d"] == 1
    assert "obfuscation" not in json.dumps(made)


def test_an_event_without_choices_is_shown_when_it_has_something_to_say() -> None:
    (made,) = stream(Event(extra_json='{"prompt_filter_results":[]}'))
    assert made["choices"] == []
    assert stream(Event(head=generation_pb2.StreamHead(id="x"))) == []


def test_a_changed_model_shows_from_then_on() -> None:
    switched = Event(deltas=[Delta(content="b")])
    switched.head.model = "other"
    made = stream(*events("a", usage=False)[:2], switched, Event(deltas=[Delta(content="c")]))
    assert [chunk["model"] for chunk in made] == ["small", "small", "other", "other"]


def test_metadata_rides_on_the_first_chunk_only() -> None:
    told = Stamp(now=1, fresh=True, metadata={"cache_hit": True})
    first, *others = stream(*events("a"), stamp=told)
    assert first["synapse_metadata"] == {"cache_hit": True}
    assert all("synapse_metadata" not in chunk for chunk in others)


def test_completions_have_their_legacy_form() -> None:
    made = stream(*events("a", "b"), kind=CompletionChunks, stamp=HIT)
    assert {chunk["object"] for chunk in made} == {"text_completion"}
    assert [chunk["choices"][0]["text"] for chunk in made] == ["", "a", "b", ""]
    assert made[1]["choices"] == [{"text": "a", "index": 0, "logprobs": None, "finish_reason": None}]
    assert made[-1]["choices"][0]["finish_reason"] == "stop"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5), st.booleans())
def test_bare_text_is_written_as_any_other_piece(texts: list[str], usage: bool) -> None:  # noqa: FBT001  # given
    bare = [Event(deltas=[Delta(content=text)]) for text in texts]
    odd = [Event(deltas=[Delta(content=text, extra_json="{}")]) for text in texts]
    for kind in (ChatChunks, CompletionChunks):
        ours, theirs = (stream(*given, usage=usage, kind=kind) for given in (bare, odd))
        for chunk in (*ours, *theirs):
            chunk.pop("id")
        assert ours == theirs


def test_how_events_are_batched_changes_nothing() -> None:
    given = events("a", "b", "c")
    chunks = ChatChunks(asked(usage=True), MISS)
    one_by_one = b"".join(chunks.render([event]) for event in given) + chunks.finish()
    together = ChatChunks(asked(usage=True), MISS)
    assert together.render(given) + together.finish() == one_by_one


def test_signed_thinking_has_no_form_of_its_own_here() -> None:
    redacted = Delta(thinking=generation_pb2.ThinkingDelta(redacted_data="zz"))
    assert deltas(Event(deltas=[redacted])) == [{"role": "assistant"}]
