"""Equal conversations are one question, whichever protocol asks it: an answer cached through one serves the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from synapse.llm.v1 import request_pb2
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.model import Question
from synapse_cache.privacy.privacy import PersonalData
from synapse_gateway.anthropic.request import read_messages
from synapse_gateway.openai.request import read_chat

RULES = QuestionRules(max_temperature=1.0, personal_data=PersonalData.ALLOW)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PIXEL = "iVBORw0KGgo="
Turns = list[dict[str, Any]]


def asked(request: request_pb2.GenerationRequest) -> Question:
    return question_of(request, RULES)


def openai(messages: Turns, **members: Any) -> Question:
    body = {"model": "m", "max_tokens": 99, "messages": messages, **members}
    return asked(read_chat(json.dumps(body).encode(), {}).request)


def anthropic(messages: Turns, headers: dict[bytes, bytes] | None = None, **members: Any) -> Question:
    body = {"model": "m", "max_tokens": 99, "messages": messages, **members}
    return asked(read_messages(json.dumps(body).encode(), headers or {}).request)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **members}


def text(of: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": of, **members}


def call(call_id: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def use(call_id: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "weather", "input": given}


def result(call_id: str, content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


SYSTEM = {"role": "system", "content": "Be brief."}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
DATA_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
LINK = "https://example.com/a.png"
FUNCTION = {"name": "weather", "description": "Tells it.", "parameters": SCHEMA}
TOOL = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
CALLED: Turns = [
    user("Weather in Oslo and Rome?"),
    assistant("Wait.", tool_calls=[call("c1", '{"city": "Oslo"}'), call("c2", '{ "city":"Rome" }')]),
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "tool", "tool_call_id": "c2", "content": [text("sun")]},
    user("And tomorrow?"),
]
USED: Turns = [
    user("Weather in Oslo and Rome?"),
    assistant([text("Wait."), use("c1", {"city": "Oslo"}), use("c2", {"city": "Rome"})]),
    user([result("c1", "rain"), result("c2", [text("sun")]), text("And tomorrow?")]),
]
EQUAL: dict[str, tuple[Question, Question]] = {
    "plain": (openai([user("hi")]), anthropic([user("hi")])),
    "one bare block": (openai([user("hi")]), anthropic([user([text("hi")])])),
    "cache hints": (
        openai([SYSTEM, user("hi")]),
        anthropic(
            [user([text("hi", cache_control={"type": "ephemeral"})])],
            system=[text("Be brief.", cache_control={"type": "ephemeral"})],
        ),
    ),
    "system": (openai([SYSTEM, user("hi")]), anthropic([user("hi")], system="Be brief.")),
    "several turns": (
        openai([SYSTEM, user("hi"), assistant("Hello."), user("Who?")]),
        anthropic([user("hi"), assistant([text("Hello.", citations=None)]), user("Who?")], system=[text("Be brief.")]),
    ),
    "sampling": (
        openai([user("hi")], temperature=0.5, top_p=1, stop="END", user="u1"),
        anthropic([user("hi")], temperature=0.5, top_p=1, stop_sequences=["END"], metadata={"user_id": "u2"}),
    ),
    "streamed": (openai([user("hi")], stream=True), anthropic([user("hi")], stream=True)),
    "tools": (
        openai([user("hi")], tools=[{"type": "function", "function": FUNCTION}], tool_choice="required"),
        anthropic([user("hi")], tools=[TOOL], tool_choice={"type": "any"}),
    ),
    "a named tool, one at a time": (
        openai(
            [user("hi")],
            tools=[{"type": "function", "function": FUNCTION}],
            tool_choice={"type": "function", "function": {"name": "weather"}},
            parallel_tool_calls=False,
        ),
        anthropic(
            [user("hi")],
            tools=[TOOL],
            tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
    ),
    "results of tools": (openai(CALLED), anthropic(USED)),
    "an image's data": (openai([user([text("What?"), DATA_URL])]), anthropic([user([text("What?"), IMAGE])])),
    "an image's address": (
        openai([user([{"type": "image_url", "image_url": {"url": LINK}}])]),
        anthropic([user([{"type": "image", "source": {"type": "url", "url": LINK}}])]),
    ),
    "plain thoughts": (
        openai([user("hi"), assistant("Hello.", reasoning_content="hm"), user("Who?")]),
        anthropic(
            [
                user("hi"),
                assistant([{"type": "thinking", "thinking": "hm", "signature": ""}, text("Hello.")]),
                user("Who?"),
            ]
        ),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_conversations_are_one_question(name: str) -> None:
    one, other = EQUAL[name]
    assert one.key == other.key
    assert one.scope == other.scope
    assert one.prompt == other.prompt


OTHER: dict[str, Question] = {
    "the text": anthropic([user("ho")]),
    "a system prompt": anthropic([user("hi")], system="Be brief."),
    "the limit": anthropic([user("hi")], max_tokens=98),
    "a member of its own": anthropic([user("hi")], container="c1"),
    "a member of a block": anthropic([user([text("hi", x_kept=1)])]),
    "a beta": anthropic([user("hi")], {b"anthropic-beta": b"new-2026-01-01"}),
    "thinking": anthropic([user("hi")], thinking={"type": "enabled", "budget_tokens": 1024}),
    "a tool of the provider's": anthropic([user("hi")], tools=[{"type": "bash_20250124", "name": "bash"}]),
    "an image": anthropic([user([text("hi"), IMAGE])]),
}


def test_whatever_can_change_the_answer_makes_another_question() -> None:
    keys = {name: question.key for name, question in OTHER.items()}
    assert len({anthropic([user("hi")]).key, *keys.values()}) == len(OTHER) + 1
