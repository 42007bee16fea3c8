"""Every stored answer is replayed in both forms, field for field, whichever form it came in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e import answers
from tests.e2e.asking import Asker, Reply

WITH_USAGE = {"stream_options": {"include_usage": True}}
FORMS = ["plain", "streamed"]


def told(asker: Asker, form: str, name: str) -> tuple[str, dict[str, Any]]:
    """What the cache did, and the whole answer of the scenario asked for in `form`."""
    if form == "plain":
        whole = asker("Tell me.", model=f"rich/{name}")
        return whole.status, whole.json
    streamed = asker.stream("Tell me.", model=f"rich/{name}", **WITH_USAGE)
    return streamed.status, answers.assembled(streamed.chunks)


@pytest.mark.parametrize("second", FORMS)
@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("name", answers.SCENARIOS)
def test_an_answer_is_replayed_field_for_field(ask: Asker, name: str, first: str, second: str) -> None:
    expected = answers.comparable(answers.SCENARIOS[name])
    first_status, first_answer = told(ask, first, name)
    second_status, second_answer = told(ask, second, name)
    assert (first_status, second_status) == ("MISS", "HIT-L1")
    assert answers.comparable(first_answer) == expected
    assert answers.comparable(second_answer) == expected


def test_usage_is_kept_where_the_stream_that_brought_it_did_not_show_it(ask: Asker) -> None:
    streamed = ask.stream("Tell me.", model="rich/text")
    assert not any("usage" in chunk for chunk in streamed.chunks)
    assert ask("Tell me.", model="rich/text").json["usage"] == answers.USAGE


def test_an_absurd_index_of_a_tool_call_costs_no_memory(ask: Asker) -> None:
    ask.stream("Tell me.", model="far-index")
    again = ask("Tell me.", model="far-index")
    assert again.status == "HIT-L1"
    assert again.json["choices"] == answers.SCENARIOS["text_and_tools"]["choices"]


def test_a_hit_has_an_id_and_a_date_of_its_own(ask: Asker) -> None:
    first, second, third = (ask("Tell me.", model="rich/text").json for _ in range(3))
    assert first["id"] == "chatcmpl-upstream"
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert second["created"] > first["created"] == 1_750_000_000


def test_all_chunks_of_a_hit_share_one_id(ask: Asker) -> None:
    ask("Tell me.", model="rich/everything")
    streamed = ask.stream("Tell me.", model="rich/everything")
    assert len({chunk["id"] for chunk in streamed.chunks}) == 1
    assert len({chunk["created"] for chunk in streamed.chunks}) == 1


@pytest.mark.parametrize("form", FORMS)
def test_parallel_tool_calls_come_back_in_the_sdk_s_own_types(ask: Asker, form: str) -> None:
    ask.in_form(form, "Weather?", model="rich/tools", tools=[_TOOL])
    reply = ask("Weather?", model="rich/tools", tools=[_TOOL])
    assert reply.status == "HIT-L1"
    calls = reply.parsed.choices[0].message.tool_calls
    assert [call.id for call in calls] == ["call_1", "call_2", "call_3"]
    assert json.loads(calls[1].function.arguments) == {"city": "Oslo", "unit": "C"}
    assert reply.parsed.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("status", ["MISS", "HIT-L1"])
def test_the_sdk_accumulates_a_streamed_answer(ask: Asker, status: str) -> None:
    if status == "HIT-L1":
        ask("Tell me.", model="rich/text_and_tools", tools=[_STRICT_TOOL])
    messages: Any = [{"role": "user", "content": "Tell me."}]
    with ask.client.chat.completions.stream(
        model="rich/text_and_tools", messages=messages, tools=[_STRICT_TOOL], stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert message.content == "Let me look."
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.parsed_arguments == {"city": "Zürich", "unit": "C"}
    assert final.usage is not None
    assert final.usage.completion_tokens_details is not None
    assert final.usage.completion_tokens_details.reasoning_tokens == 13


def test_a_json_schema_answer_is_parsed_on_a_hit_as_on_a_miss(ask: Asker) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": {"type": "object"}}}
    replies: list[Reply] = [ask("A city?", model="rich/schema", response_format=form) for _ in range(2)]
    assert [reply.status for reply in replies] == ["MISS", "HIT-L1"]
    assert [json.loads(reply.text or "")["population"] for reply in replies] == [2102650, 2102650]


def test_several_choices_are_kept_apart(ask: Asker) -> None:
    for status in ("MISS", "HIT-L1"):
        reply = ask("Tell me.", model="rich/choices", n=3)
        assert reply.status == status
        assert [choice.message.content for choice in reply.parsed.choices] == [f"Answer number {i}." for i in range(3)]
    assert ask("Tell me.", model="rich/choices", n=2).status == "MISS"


@pytest.mark.parametrize("second", FORMS)
@pytest.mark.parametrize("first", FORMS)
def test_a_legacy_completion_is_replayed_field_for_field(ask: Asker, first: str, second: str) -> None:
    expected = answers.comparable(answers.COMPLETION)
    for form, status in ((first, "MISS"), (second, "HIT-L1")):
        headers, answer = completed(ask, form)
        assert headers["x-synapse-cache-status"] == status
        assert answers.comparable(answer) == expected


def completed(asker: Asker, form: str) -> tuple[Mapping[str, str], dict[str, Any]]:
    create = asker.client.completions.with_raw_response.create
    if form == "plain":
        whole = create(model="rich/text", prompt="Once upon a time", n=2)
        return whole.headers, json.loads(whole.text)
    streamed = create(model="rich/text", prompt="Once upon a time", n=2, stream=True, extra_body=WITH_USAGE)
    with streamed.parse() as stream:
        return streamed.headers, answers.assembled(chunk.to_dict(mode="json") for chunk in stream)


_PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": _PARAMETERS}}
_STRICT_TOOL: Any = {"type": "function", "function": {**_TOOL["function"], "strict": True}}
