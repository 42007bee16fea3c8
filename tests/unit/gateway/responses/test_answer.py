"""Answers as responses: whole and streamed they are the same, and official types accept them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from synapse.llm.v1 import content_pb2, generation_pb2
from synapse_cache.adapters.assembly import EventAssembler
from synapse_cache.adapters.replay import events_of as events_of_whole
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.problems import Problem
from synapse_gateway.responses.answer import whole
from synapse_gateway.responses.request import read_response
from synapse_gateway.responses.stream import ResponseEvents
from tests.support.cache_double import answer, events
from tests.support.response_events import Reader, events_of

MISS = Stamp(now=1_800_000_000, fresh=False)
HIT = Stamp(now=1_800_000_000, fresh=True)
Choice = generation_pb2.Choice
Delta = generation_pb2.ChoiceDelta
Event = generation_pb2.GenerationEvent
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SAID = TEXT.filter(bool)
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**members: Any) -> Asked:
    return read_response(json.dumps({"model": "m", "input": "hi", **members}).encode(), {})


def response(generation: generation_pb2.Generation, stamp: Stamp = MISS, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(whole(generation, asked(**members), stamp))
    Response.model_validate(made)
    return made


def generation_of(**members: Any) -> generation_pb2.Generation:
    made = answer()
    del made.choices[:]
    made.choices.append(Choice(**{"finish_reason": generation_pb2.FINISH_REASON_STOP, **members}))
    return made


def output(**members: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = response(generation_of(**members))["output"]
    return items


def stream(*given: Event, stamp: Stamp = MISS, **members: Any) -> list[dict[str, Any]]:
    writer = ResponseEvents(asked(**members), stamp, clock=lambda: 1_800_000_000)
    made = events_of(writer.render(given) + writer.finish())
    for event in made:
        EVENT.validate_python(event)
    return made


def read(*given: Event, stamp: Stamp = MISS, **members: Any) -> dict[str, Any]:
    return Reader().read(stream(*given, stamp=stamp, **members))


def nameless(value: Any) -> Any:
    """Without the ids that are new each time."""
    if isinstance(value, list):
        return [nameless(inner) for inner in value]
    if isinstance(value, dict):
        return {name: nameless(inner) for name, inner in value.items() if name not in {"id", "item_id"}}
    return value


def call(number: int = 0, name: str = "f", arguments: str = "{}") -> content_pb2.ToolCall:
    return content_pb2.ToolCall(id=f"call_{number}", type="function", name=name, arguments=arguments)


def test_a_plain_answer_is_a_message() -> None:
    made = response(answer())
    (item,) = made["output"]
    assert item["content"] == [{"type": "output_text", "text": "Paris.", "annotations": [], "logprobs": []}]
    assert (item["role"], item["status"], made["status"]) == ("assistant", "completed", "completed")
    assert made["id"].startswith("resp_")
    assert (made["object"], made["model"], made["created_at"]) == ("response", "small", 1_700_000_000)
    assert (made["error"], made["incomplete_details"]) == (None, None)


def test_every_member_of_the_official_type_that_concerns_us_is_there() -> None:
    elsewhere = {"access_programs", "image", "input_transformations", "moderation", "prompt_cache_diagnostics"}
    elsewhere |= {"prompt_cache_options", "prompt_cache_retention", "tool_usage"}
    assert set(Response.model_fields) - elsewhere <= set(response(answer()))


def test_the_settings_of_the_request_are_repeated() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    made = response(answer(), instructions="Be brief.", tools=tools, temperature=0.5, metadata={"a": "b"})
    assert (made["instructions"], made["temperature"], made["metadata"]) == ("Be brief.", 0.5, {"a": "b"})
    assert made["tools"] == [{**tools[0], "strict": None}]
    assert (made["store"], made["parallel_tool_calls"]) == (False, True)


def test_a_hit_has_a_time_of_its_own() -> None:
    assert response(answer(), HIT)["created_at"] == HIT.now


def test_usage_has_its_details() -> None:
    given = answer()
    given.usage.cache_read_tokens = 4
    given.usage.reasoning_tokens = 2
    assert response(given)["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_usage_that_nobody_told_is_null() -> None:
    given = answer()
    given.ClearField("usage")
    assert response(given)["usage"] is None


def test_thoughts_text_and_calls_are_items_in_this_order() -> None:
    reasoning = generation_pb2.ReasoningText(text="hm", field="reasoning")
    first, second, *calls = output(reasoning=reasoning, content="so", tool_calls=[call(0), call(1, "g")])
    assert first["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert (first["summary"], first["encrypted_content"]) == ([], None)
    assert second["content"][0]["text"] == "so"
    assert [(item["type"], item["call_id"], item["name"]) for item in calls] == [
        ("function_call", "call_0", "f"),
        ("function_call", "call_1", "g"),
    ]


def test_calls_alone_come_without_a_message() -> None:
    (item,) = output(content="", tool_calls=[call(arguments='{"a":1}')])
    assert item["arguments"] == '{"a":1}'


def test_a_call_without_an_id_is_given_one() -> None:
    (item,) = output(tool_calls=[content_pb2.ToolCall(name="f", arguments="{}")])
    assert item["call_id"].startswith("call_")


def test_a_call_of_a_custom_tool_has_its_input() -> None:
    custom = content_pb2.ToolCall(id="c1", type="custom", extra_json='{"custom":{"name":"t","input":"x"}}')
    (item,) = output(tool_calls=[custom])
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "t", "x")


def test_a_refusal_is_a_part_of_the_message() -> None:
    (item,) = output(refusal="No.")
    assert item["content"] == [{"type": "refusal", "refusal": "No."}]


def test_an_empty_answer_has_an_empty_text() -> None:
    (item,) = output(content="")
    assert item["content"][0]["text"] == ""


def test_signed_thoughts_carry_their_seal() -> None:
    thoughts = [content_pb2.Thinking(text="hm", signature="zz"), content_pb2.Thinking(redacted_data="qq")]
    first, second, _ = output(thinking=thoughts, content="so")
    assert first["encrypted_content"] == "synapse.signature.zz"
    assert (second["content"], second["encrypted_content"]) == ([], "synapse.redacted.qq")


def test_what_comes_back_from_an_answer_is_the_same_turn() -> None:
    thoughts = [content_pb2.Thinking(text="hm", signature="zz")]
    items = output(thinking=thoughts, content="so", tool_calls=[call()])
    (message,) = asked(input=items).request.messages
    assert [part.WhichOneof("part") for part in message.parts] == ["thinking", "text"]
    assert message.parts[0].thinking == thoughts[0]
    assert list(message.tool_calls) == [call()]


def test_blocks_tell_the_order_of_the_items() -> None:
    kinds = [generation_pb2.BLOCK_KIND_TEXT, generation_pb2.BLOCK_KIND_TOOL_CALL, generation_pb2.BLOCK_KIND_TEXT]
    blocks = [generation_pb2.ContentBlock(kind=kind, text_length=1) for kind in (kinds[0], *kinds)]
    items = output(content="abc", tool_calls=[call()], blocks=blocks)
    assert [item["type"] for item in items] == ["message", "function_call", "message"]
    assert [part["text"] for part in items[0]["content"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (generation_pb2.FINISH_REASON_LENGTH, "max_output_tokens"),
        (generation_pb2.FINISH_REASON_CONTENT_FILTER, "content_filter"),
    ],
)
def test_an_answer_cut_short_is_incomplete(reason: Any, told: str) -> None:
    made = response(generation_of(content="Par", finish_reason=reason))
    assert (made["status"], made["incomplete_details"], made["completed_at"]) == ("incomplete", {"reason": told}, None)
    assert made["output"][-1]["status"] == "incomplete"
    cut = [*events("Par", usage=False)[:2], Event(deltas=[Delta(finish_reason=reason)])]
    assert stream(*cut)[-1]["type"] == "response.incomplete"


def test_probabilities_have_the_form_of_responses() -> None:
    given = generation_of(content="a")
    token = given.choices[0].logprobs.content.add(token="a", logprob=-0.5)
    token.top.add(token="b", logprob=-1.0, token_bytes=b"b")
    top = {"token": "b", "logprob": -1.0, "bytes": [98]}
    expected = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [top]}]
    assert response(given)["output"][0]["content"][0]["logprobs"] == expected


def test_metadata_is_there_only_when_asked_for() -> None:
    told = Stamp(now=1, fresh=True, metadata={"cache_hit": True})
    assert response(answer(), told)["synapse_metadata"] == {"cache_hit": True}
    assert read(*events("a"), stamp=told)["synapse_metadata"] == {"cache_hit": True}
    assert "synapse_metadata" not in response(answer())


def test_a_plain_stream_has_the_official_grammar() -> None:
    made = stream(*events("Par", "is."))
    assert [event["type"].removeprefix("response.") for event in made] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert made[4] == {
        "type": "response.output_text.delta",
        "item_id": made[2]["item"]["id"],
        "output_index": 0,
        "content_index": 0,
        "delta": "Par",
        "logprobs": [],
        "sequence_number": 4,
    }
    assert made[-1]["response"]["usage"]["total_tokens"] == 12


def test_parallel_calls_are_items_one_after_the_other() -> None:
    piece = generation_pb2.ToolCallDelta
    made = stream(
        Event(deltas=[Delta(role="assistant", content="")]),
        Event(deltas=[Delta(tool_calls=[piece(index=0, id="c0", type="function", name="f", arguments="")])]),
        Event(deltas=[Delta(tool_calls=[piece(index=0, arguments="{}")])]),
        Event(deltas=[Delta(tool_calls=[piece(index=1, id="c1", type="function", name="g", arguments="[]")])]),
        Event(deltas=[Delta(finish_reason=generation_pb2.FINISH_REASON_TOOL_CALLS)]),
    )
    assert [event["type"].removeprefix("response.") for event in made[2:-1]] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ] * 2
    assert [item["call_id"] for item in Reader().read(made)["output"]] == ["c0", "c1"]


def test_pieces_of_interleaved_calls_are_not_lost() -> None:
    piece = generation_pb2.ToolCallDelta
    order = [(0, "["), (1, "{"), (0, "]"), (1, "}")]
    given = [Event(deltas=[Delta(tool_calls=[piece(index=n, id="c", name="f", arguments=text)])]) for n, text in order]
    made = stream(*given)[-1]["response"]
    assert [item["arguments"] for item in made["output"]] == ["[]", "{}"]


def test_a_late_failure_is_told_twice_and_ends_the_response() -> None:
    writer = ResponseEvents(asked(), MISS)
    begun = writer.render(events("Par")[:2])
    *_, error, failed = events_of(begun + writer.failure(Problem(429, "slow down", code="rate_limit_exceeded")))
    assert (error["type"], error["code"], error["message"]) == ("error", "rate_limit_exceeded", "slow down")
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    assert failed["response"]["output"][0]["content"][0]["text"] == "Par"
    for event in (error, failed):
        EVENT.validate_python(event)


def test_how_events_are_batched_changes_nothing() -> None:
    given = events("a", "b", "c")
    writer = ResponseEvents(asked(), MISS, clock=lambda: 1_800_000_000)
    one_by_one = b"".join(writer.render([event]) for event in given) + writer.finish()
    assert nameless(events_of(one_by_one)) == nameless(stream(*given))


def test_other_choices_are_not_shown() -> None:
    made = read(Event(deltas=[Delta(index=0, content="a"), Delta(index=1, content="b")]))
    assert made["output"][0]["content"][0]["text"] == "a"


@st.composite
def choices(draw: Any) -> Choice:
    """Any answer of a model."""
    made = Choice(finish_reason=draw(st.sampled_from(generation_pb2.FinishReason.values()[1:6])))
    if draw(st.booleans()):
        made.content = draw(TEXT)
    if draw(st.booleans()):
        made.refusal = draw(SAID)
    if draw(st.booleans()):
        made.reasoning.text = draw(SAID)
        made.reasoning.field = "reasoning"
    else:
        for _ in range(draw(st.integers(0, 2))):
            made.thinking.add(text=draw(SAID), signature=draw(TEXT))
    for number in range(draw(st.integers(0, 2))):
        made.tool_calls.append(call(number, draw(SAID), draw(SAID)))
    if made.content and draw(st.booleans()):
        made.logprobs.content.extend(generation_pb2.TokenLogprob(token=letter, logprob=-1.0) for letter in made.content)
    return made


@given(choices(), st.booleans())
def test_a_stream_adds_up_to_the_whole(choice: Choice, hit: bool) -> None:  # noqa: FBT001  # given
    given = answer()
    del given.choices[:]
    given.choices.append(choice)
    stamp = HIT if hit else MISS
    assert nameless(read(*events_of_whole(given), stamp=stamp)) == nameless(response(given, stamp))


PIECES = st.one_of(
    SAID.map(lambda text: Delta(content=text)),
    SAID.map(lambda text: Delta(refusal=text)),
    SAID.map(lambda text: Delta(reasoning=generation_pb2.ReasoningText(text=text))),
    st.builds(
        lambda index, text: Delta(tool_calls=[generation_pb2.ToolCallDelta(index=index, name="f", arguments=text)]),
        st.integers(0, 1),
        SAID,
    ),
)


@given(st.lists(PIECES, max_size=8))
def test_a_stream_in_any_order_keeps_every_text(pieces: list[Delta]) -> None:
    given = [Event(deltas=[piece]) for piece in pieces]
    made = stream(*given)[-1]["response"]
    assembler = EventAssembler()
    assembler.add([*given, Event(deltas=[Delta(finish_reason=generation_pb2.FINISH_REASON_STOP)])])
    assembled = generation_pb2.Generation.FromString(assembler.finish().payload)
    assert _texts(made) == _texts(response(assembled))


def _texts(made: dict[str, Any]) -> dict[str, str]:
    """Every kind of text of a response, each joined in its order; calls by their order of arrival are sorted."""
    texts: dict[str, list[str]] = {}
    for item in made["output"]:
        for part in item.get("content", []):
            texts.setdefault(part["type"], []).append(part.get("text", part.get("refusal")))
    joined = {kind: "".join(parts) for kind, parts in texts.items()}
    calls = sorted(item["arguments"] for item in made["output"] if item["type"] == "function_call")
    return {kind: text for kind, text in joined.items() if text} | {"calls": "\n".join(calls)}
