"""What an Anthropic backend answered reaches OpenAI's clients without members that are not theirs."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse.router.v1 import router_pb2
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai import response
from synapse_gateway.openai.stream import ChatChunks
from synapse_llm_router.adapters.anthropic.answer import read_answer
from synapse_llm_router.adapters.anthropic.events import EventReader
from tests.unit.gateway.anthropic.answers import messages
from tests.unit.gateway.anthropic.grammar import streamed

ASKED = Asked(request_pb2.GenerationRequest(model="m"), stream=True, include_usage=True)
MISS = Stamp(now=1, fresh=False)
REASONS = {"tool_use": "tool_calls", "max_tokens": "length", "model_context_window_exceeded": "length"}
MEMBERS = {"id", "object", "created", "model", "choices", "usage"}


def whole(message: dict[str, Any]) -> dict[str, Any]:
    generation = generation_pb2.Generation()
    read_answer(json.loads(json.dumps(message)), generation)
    made: dict[str, Any] = json.loads(response.chat(generation, ASKED, MISS))
    return made


def chunks(message: dict[str, Any]) -> list[dict[str, Any]]:
    reader, read = EventReader(), router_pb2.StreamGenerateResponse()
    for event in streamed(message):
        reader.read(event, read)
    writer = ChatChunks(ASKED, MISS)
    body = b"".join(writer.render([event]) for event in read.events) + writer.finish()
    return [json.loads(part[6:]) for part in body.split(b"\n\n") if part.startswith(b"data: {")]


def blocks(message: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in message["content"] if block["type"] == kind]


@given(messages())
def test_a_whole_answer_keeps_what_both_protocols_know(message: dict[str, Any]) -> None:
    made = whole(message)
    assert made.keys() == MEMBERS
    (choice,) = made["choices"]
    said = choice["message"]
    assert said.keys() <= {"role", "content", "refusal", "tool_calls", "reasoning_content"}
    assert (said["content"] or "") == "".join(block["text"] for block in blocks(message, "text"))
    called = [(call["id"], json.loads(call["function"]["arguments"])) for call in said.get("tool_calls", ())]
    assert called == [(block["id"], block["input"]) for block in blocks(message, "tool_use")]
    reason = "content_filter" if message["stop_reason"] == "refusal" else REASONS.get(message["stop_reason"], "stop")
    assert choice["finish_reason"] == reason
    counted = {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}
    assert made["usage"].keys() <= counted


@given(messages())
def test_a_streamed_answer_tells_the_same_and_says_nothing_idly(message: dict[str, Any]) -> None:
    *told, last = chunks(message)
    said = whole(message)["choices"][0]
    deltas = [choice["delta"] for chunk in told for choice in chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == (said["message"]["content"] or "")
    thoughts = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert thoughts == said["message"].get("reasoning_content", "")
    assert all(deltas[:-1])
    assert told[-1]["choices"][0]["finish_reason"] == said["finish_reason"]
    assert last["usage"] == whole(message)["usage"]
    assert all(chunk.keys() <= MEMBERS for chunk in told)
