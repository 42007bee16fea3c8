"""One conversation, whatever protocol it is asked in and whatever wire its backend speaks."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.e2e.claude import MESSAGES, Claude
from tests.e2e.questions import PNG, SCHEMA, WEATHER, Call, Called, Question, Returned, Said, Told, question
from tests.e2e.speakers import FORMS, PROTOCOLS, Speaker, tell
from tests.e2e.upstream import Upstream

ECHOES = ("echo", "claude/echo")
HELLO = question("What is the capital of France?")
BERN, OSLO = Call("call_1", "get_weather", {"city": "Bern"}), Call("call_2", "get_weather", {"city": "Oslo"})
TALK = Question(
    (
        Said("user", "Weather in Bern and Oslo?"),
        Called((BERN, OSLO), text="Let me look."),
        Returned({"call_1": "Snow.", "call_2": "Sun."}),
        Said("assistant", "Snow and sun."),
        Said("user", "And which is warmer?"),
    ),
    system="Be brief.",
    tools=(WEATHER,),
)
RESULTS = Question(TALK.turns[:3], tools=(WEATHER,))
PICTURE = question("What is this?", picture=PNG)
CONVERSATIONS = {"question": HELLO, "talk": TALK, "results": RESULTS, "picture": PICTURE}

in_each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
in_each_form = pytest.mark.parametrize("form", FORMS)
on_each_wire = pytest.mark.parametrize("model", ECHOES)


@pytest.mark.parametrize(("first", "second"), [*product(PROTOCOLS, PROTOCOLS)])
@pytest.mark.parametrize(("first_form", "second_form"), [*product(FORMS, FORMS)])
@on_each_wire
def test_an_answer_serves_every_protocol_in_both_forms(
    known: dict[str, Speaker], model: str, first: str, second: str, first_form: str, second_form: str
) -> None:
    made = tell(known[first], first_form, model, HELLO)
    found = tell(known[second], second_form, model, HELLO)
    assert (made.status, found.status) == ("MISS", "HIT-L1")
    assert made.text == "You said: What is the capital of France?"
    assert found.said == made.said


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("first", PROTOCOLS)
@on_each_wire
def test_a_conversation_is_one_in_every_protocol(known: dict[str, Speaker], model: str, first: str, name: str) -> None:
    assert known[first].ask(model, CONVERSATIONS[name]).status == "MISS"
    assert [known[other].ask(model, CONVERSATIONS[name]).status for other in PROTOCOLS] == ["HIT-L1"] * 3


@pytest.mark.parametrize(("first", "second"), [*product(PROTOCOLS, PROTOCOLS)])
def test_a_reworded_question_hits_across_protocols(known: dict[str, Speaker], first: str, second: str) -> None:
    made = known[first].ask("claude/echo", HELLO)
    found = known[second].ask("claude/echo", question("Can you tell me the capital of France?"))
    assert (made.status, found.status) == ("MISS", "HIT-L2")
    assert found.text == made.text


@in_each_protocol
def test_another_conversation_misses(known: dict[str, Speaker], protocol: str) -> None:
    speaker = known[protocol]
    speaker.ask("claude/echo", TALK)
    others = [
        TALK.with_(system="Be long."),
        TALK.with_(tools=()),
        TALK.with_(max_tokens=9),
        TALK.with_(turns=(*TALK.turns[:2], Returned({"call_1": "Sun.", "call_2": "Snow."}), *TALK.turns[3:])),
        TALK.with_(schema=SCHEMA),
    ]
    assert [speaker.ask("claude/echo", other).status for other in others] == ["MISS"] * len(others)


CALLS = (
    Call("call_1", "get_weather", {"city": "Zürich", "unit": "C"}),
    Call("call_2", "get_weather", {"city": "Oslo", "unit": "C"}),
    Call("call_3", "get_time", {}),
)
USES = (
    Call("toolu_1", "get_weather", {"city": "Bern"}),
    Call("toolu_2", "get_weather", {"city": "Oslo"}),
    Call("toolu_3", "get_time", {}),
)
TEXT = "Paris is the capital.\n\n  And  it is — as ever — lovely. 🎉"
OF_OPENAI, OF_CLAUDE = (21, 34), (31, 34)
SAID: dict[str, tuple[Any, ...]] = {
    # the model: text, why it ended, calls, tokens
    "rich/text": (TEXT, "stop", (), OF_OPENAI),
    "rich/tools": ("", "calls", CALLS, OF_OPENAI),
    "rich/text_and_tools": ("Let me look.", "calls", CALLS[:1], OF_OPENAI),
    "rich/schema": ('{"city":"Paris","population":2102650,"tags":["capital"]}', "stop", (), OF_OPENAI),
    "claude/text": (TEXT, "stop", (), OF_CLAUDE),
    "claude/tools": ("", "calls", USES, OF_CLAUDE),
    "claude/text_and_tools": ("Let me look.", "calls", USES[:2], OF_CLAUDE),
    "claude/odd_order": ("And now:", "calls", USES[:2], OF_CLAUDE),
    "claude/citations": ("The seat is Bern.", "stop", (), OF_CLAUDE),
    "claude/stopped": ("One, two", "stop", (), OF_CLAUDE),
}


def told_in_all_ways(speaker: Speaker, model: str) -> list[Told]:
    """A fresh answer and one from the cache, in both forms."""
    fresh = [tell(speaker, form, model, HELLO, extra_headers={"cache-control": "no-cache"}) for form in FORMS]
    kept = [tell(speaker, form, model, HELLO) for form in FORMS]
    assert [told.status for told in (*fresh, *kept)] == ["MISS", "MISS", "HIT-L1", "HIT-L1"]
    return [*fresh, *kept]


@in_each_protocol
@pytest.mark.parametrize("model", SAID)
def test_an_answer_says_the_same_in_every_protocol(known: dict[str, Speaker], model: str, protocol: str) -> None:
    for told in told_in_all_ways(known[protocol], model):
        assert told.said == SAID[model]


@in_each_protocol
@pytest.mark.parametrize("model", ["claude/thinking", "claude/thinking_and_tools", "rich/reasoning_content"])
def test_thoughts_come_through_in_every_protocol(known: dict[str, Speaker], model: str, protocol: str) -> None:
    assert {told.thinking for told in told_in_all_ways(known[protocol], model)} == {"Six times seven …"}


@in_each_form
@in_each_protocol
@pytest.mark.parametrize(
    ("model", "finish"),
    [
        ("length", "length"),
        ("filtered", "filtered"),
        ("claude/length", "length"),
        ("claude/full", "length"),
        ("claude/refusal", "filtered"),
    ],
)
def test_an_answer_that_was_cut_short_says_so_and_is_not_kept(
    known: dict[str, Speaker], model: str, finish: str, protocol: str, form: str
) -> None:
    told = [tell(known[protocol], form, model, HELLO) for _ in range(2)]
    assert [(one.finish, one.status) for one in told] == [(finish, "MISS")] * 2


@pytest.mark.parametrize("name", MESSAGES)
def test_anthropic_s_client_gets_the_blocks_of_anthropic_s_backend_as_they_were(
    known: dict[str, Speaker], name: str
) -> None:
    expected = MESSAGES[name]
    fresh = [tell(known["messages"], form, f"claude/{name}", HELLO) for form in FORMS]
    for told in (*fresh, *(tell(known["messages"], form, f"claude/{name}", HELLO) for form in FORMS)):
        message = told.raw.to_dict(mode="json", exclude_unset=True)
        assert [_bare(block) for block in message["content"]] == expected["content"]
        assert message["stop_reason"] == expected["stop_reason"]
        assert message.get("stop_sequence") == expected["stop_sequence"]
        usage = {member: value for member, value in message["usage"].items() if member in expected["usage"]}
        assert usage == expected["usage"]


def _bare(block: dict[str, Any]) -> dict[str, Any]:
    """A block without what a client's own model adds to it."""
    return {name: value for name, value in block.items() if value is not None}


OPENAI_BODY = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Bern and Oslo?"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Bern"}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Snow."},
        {"role": "tool", "tool_call_id": "call_2", "content": "Sun."},
        {"role": "assistant", "content": "Snow and sun."},
        {"role": "user", "content": "And which is warmer?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "get_weather", "parameters": dict(WEATHER.parameters), "strict": True},
        }
    ],
}
CLAUDE_BODY = {
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": "Weather in Bern and Oslo?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Bern"}},
                {"type": "tool_use", "id": "call_2", "name": "get_weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "Snow."},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "Sun."},
            ],
        },
        {"role": "assistant", "content": "Snow and sun."},
        {"role": "user", "content": "And which is warmer?"},
    ],
    "tools": [{"name": "get_weather", "input_schema": dict(WEATHER.parameters), "strict": True}],
    "max_tokens": 400,
}


def _plain(value: Any) -> Any:
    """A body without the white space inside arguments."""
    if isinstance(value, dict):
        return {name: _squeezed(item) if name == "arguments" else _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _squeezed(text: str) -> str:
    return text.replace(" ", "")


@in_each_protocol
def test_a_conversation_reaches_openai_s_wire_as_one(
    known: dict[str, Speaker], upstream: Upstream, protocol: str
) -> None:
    known[protocol].ask("echo", TALK)
    body = _plain(upstream.last)
    assert {name: body[name] for name in OPENAI_BODY} == OPENAI_BODY
    assert body.get("max_tokens", body.get("max_completion_tokens")) == TALK.max_tokens


@in_each_protocol
def test_a_conversation_reaches_anthropic_s_wire_as_one(
    known: dict[str, Speaker], claude: Claude, protocol: str
) -> None:
    known[protocol].ask("claude/echo", TALK)
    assert claude.last.body == {"model": "claude/echo", **CLAUDE_BODY}
    assert claude.last.headers["anthropic-version"]


@in_each_protocol
def test_a_picture_reaches_both_wires(
    known: dict[str, Speaker], upstream: Upstream, claude: Claude, protocol: str
) -> None:
    for model in ECHOES:
        known[protocol].ask(model, PICTURE)
    [_, seen] = upstream.last["messages"][0]["content"]
    assert (seen["type"], seen["image_url"]["url"]) == ("image_url", f"data:image/png;base64,{PNG}")
    [_, shown] = claude.last.body["messages"][0]["content"]
    assert shown == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


@in_each_protocol
def test_a_schema_reaches_both_wires(
    known: dict[str, Speaker], upstream: Upstream, claude: Claude, protocol: str
) -> None:
    for model in ECHOES:
        known[protocol].ask(model, HELLO.with_(schema=SCHEMA))
    form = upstream.last["response_format"]
    assert (form["type"], form["json_schema"]["schema"]) == ("json_schema", SCHEMA)
    assert claude.last.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
