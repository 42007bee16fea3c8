"""What an edge of the gateway reads, the adapter of the same wire writes again: nothing is lost between the two."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse.llm.v1.generation_pb2 import Generation
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_gateway.anthropic.request import read_messages
from synapse_gateway.anthropic.response import message as write_message
from synapse_gateway.anthropic.stream import MessageWriter
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai.request import read_chat
from synapse_llm_router.adapters.anthropic.answer import read_answer
from synapse_llm_router.adapters.anthropic.request import request_bytes as anthropic_bytes
from synapse_llm_router.adapters.anthropic.stream import MessageEvents
from synapse_llm_router.adapters.openai.request import request_bytes as openai_bytes
from synapse_llm_router.adapters.sse import EventSplitter
from tests.unit.llm_router.anthropic.answers import messages, stream_of
from tests.unit.llm_router.anthropic.requests import requests
from tests.unit.llm_router.anthropic.test_request import plain
from tests.unit.llm_router.anthropic.writer import write_stream
from tests.unit.llm_router.openai.requests import chat_requests

busy = settings(max_examples=200, deadline=None)


def without_nulls(value: Any) -> Any:
    """`value` without null members of its objects, for a null is the same as nothing."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@busy
@given(requests())
def test_anthropics_requests_pass_through_whole(body: dict[str, Any]) -> None:
    request = read_messages(json.dumps(body).encode(), {}).request
    sent = orjson.loads(anthropic_bytes(request, request.model, "claude", stream=False))
    assert plain(without_nulls(sent)) == plain(without_nulls(body))


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """Chat requests that the edge lets in."""
    body = draw(chat_requests)
    turns = body["messages"] or [{"role": "user", "content": "Hi"}]
    return {**body, "model": body["model"] or "m", "messages": turns, "n": max(1, body.get("n", 1))}


@busy
@given(chats())
def test_openais_requests_pass_through_whole(body: dict[str, Any]) -> None:
    request = read_chat(json.dumps(body).encode(), {}).request
    sent = orjson.loads(openai_bytes(request, request.model, "gpt", stream=False))
    assert without_nulls(sent) == without_nulls(body)


def as_told(message: dict[str, Any]) -> dict[str, Any]:
    """An answer as the edge may tell it: without empty texts and nulls, for they say nothing."""
    blocks = [block for block in message["content"] if block.get("text") != "" or block.keys() != {"type", "text"}]
    return dict(without_nulls({**message, "content": blocks}))


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Answers that end as such answers do."""
    message = draw(messages)
    calls = any(block["type"] == "tool_use" for block in message["content"])
    ended = {"stop_reason": "tool_use", "stop_sequence": None} if calls else {}
    return {**message, "id": f"msg_{message['id']}", **ended}


ASKED = Asked(GenerationRequest(model="m"), stream=False)
STAMP = Stamp(now=0, fresh=False)


@busy
@given(answers())
def test_anthropics_answers_pass_through_whole(message: dict[str, Any]) -> None:
    generation = Generation()
    read_answer(message, generation)
    assert as_told(orjson.loads(write_message(generation, ASKED, STAMP))) == as_told(message)


@busy
@given(answers(), st.lists(st.integers(0, 20), max_size=3))
def test_anthropics_streams_pass_through_whole(message: dict[str, Any], cuts: list[int]) -> None:
    reader, response = MessageEvents("claude", {}), StreamGenerateResponse()
    for event in stream_of(message, cuts):
        reader.read(b"", json.dumps(event).encode(), response)
    writer = MessageWriter(ASKED, STAMP)
    body = writer.render(response.events) + writer.finish()
    assert as_told(told_by(body)) == as_told(message)


def told_by(body: bytes) -> dict[str, Any]:
    """The answer that a stream tells."""
    reader, response = MessageEvents("edge", {}), StreamGenerateResponse()
    splitter = EventSplitter(max_event_bytes=1 << 20)
    for name, data in splitter.feed(body):
        reader.read(name, data, response)
    return write_stream(response.events)
