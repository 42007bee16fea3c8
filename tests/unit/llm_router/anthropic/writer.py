"""An independent writing of canonical answers in Anthropic's words, whole and out of events, after ADR 4."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from synapse.llm.v1 import generation_pb2 as llm

WORDS = {1: "end_turn", 2: "max_tokens", 3: "tool_use", 4: "refusal"}


def extras(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text) if text else {}
    return value


def write_answer(generation: llm.Generation) -> dict[str, Any]:
    """Anthropic's JSON of an answer."""
    (choice,) = generation.choices
    body: dict[str, Any] = {"type": "message", "role": "assistant", "content": write_blocks(choice)}
    body |= {"id": generation.id, "model": generation.model, **write_stop(choice)}
    if generation.HasField("usage"):
        body["usage"] = write_usage(generation.usage)
    return {**body, **extras(generation.extra_json)}


def write_blocks(choice: llm.Choice) -> list[dict[str, Any]]:
    thoughts, calls = iter(choice.thinking), iter(choice.tool_calls)
    told = 0
    written = []
    for block in choice.blocks or usual_blocks(choice):
        if block.kind == llm.BLOCK_KIND_TEXT:
            end = told + block.text_length
            body: dict[str, Any] = {"type": "text", "text": choice.content[told:end]}
            told = end
        elif block.kind == llm.BLOCK_KIND_THINKING:
            body = write_thought(next(thoughts))
        elif block.kind == llm.BLOCK_KIND_TOOL_CALL:
            call = next(calls)
            body = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        else:
            body = json.loads(block.opaque_json)
        written.append({**body, **extras(block.extra_json)})
    return written


def usual_blocks(choice: llm.Choice) -> list[llm.ContentBlock]:
    said = [llm.ContentBlock(kind=llm.BLOCK_KIND_TEXT, text_length=len(choice.content))]
    return [
        *(llm.ContentBlock(kind=llm.BLOCK_KIND_THINKING) for _ in choice.thinking),
        *(said if choice.HasField("content") else []),
        *(llm.ContentBlock(kind=llm.BLOCK_KIND_TOOL_CALL) for _ in choice.tool_calls),
    ]


def write_thought(thought: Any) -> dict[str, Any]:
    if thought.redacted_data:
        return {"type": "redacted_thinking", "data": thought.redacted_data}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def write_stop(choice: llm.Choice | llm.ChoiceDelta) -> dict[str, Any]:
    word = WORDS.get(choice.finish_reason)
    if choice.finish_reason == llm.FINISH_REASON_STOP and choice.HasField("stop_sequence"):
        word = "stop_sequence"
    stop = choice.stop_sequence if choice.HasField("stop_sequence") else None
    return {"stop_reason": choice.finish_detail or word, "stop_sequence": stop}


def write_usage(usage: llm.Usage) -> dict[str, Any]:
    body = {"output_tokens": usage.completion_tokens}
    body["input_tokens"] = usage.prompt_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    if usage.HasField("cache_read_tokens"):
        body["cache_read_input_tokens"] = usage.cache_read_tokens
    if usage.HasField("cache_write_tokens"):
        body["cache_creation_input_tokens"] = usage.cache_write_tokens
    return {**body, **extras(usage.extra_json)}


def write_stream(events: Iterable[llm.GenerationEvent]) -> dict[str, Any]:
    """Anthropic's JSON of the answer that `events` tell."""
    body: dict[str, Any] = {"type": "message", "role": "assistant", "content": []}
    for event in events:
        if event.HasField("head"):
            body |= {"id": event.head.id, "model": event.head.model}
        for delta in event.deltas:
            write_delta(delta, body["content"])
            if delta.finish_reason:
                body |= write_stop(delta)
        if event.HasField("usage"):
            body["usage"] = write_usage(event.usage)
        body |= extras(event.extra_json)
    for block in body["content"]:
        if isinstance(given := block.get("input"), str):
            block["input"] = json.loads(given)
    return body


def write_delta(delta: llm.ChoiceDelta, content: list[dict[str, Any]]) -> None:
    if delta.HasField("block"):
        content.append(begun(delta))
    if delta.HasField("content"):
        content[-1]["text"] += delta.content
    if delta.HasField("thinking"):
        thoughts = [block for block in content if block["type"] in {"thinking", "redacted_thinking"}]
        block = thoughts[delta.thinking.index]
        assert block is content[-1]
        if not delta.thinking.redacted_data:
            block["thinking"] += delta.thinking.text
            block["signature"] = delta.thinking.signature or block["signature"]
    for call in delta.tool_calls:
        block = [block for block in content if block["type"] == "tool_use"][call.index]
        assert block is content[-1]
        block["input"] += call.arguments
    for name, value in extras(delta.block_extra_json).items():
        known = content[-1].get(name)
        content[-1][name] = known + value if isinstance(known, list | str) else value


def begun(delta: llm.ChoiceDelta) -> dict[str, Any]:
    """The block that begins with `delta`."""
    rest = extras(delta.block.extra_json)
    match delta.block.kind:
        case llm.BLOCK_KIND_TEXT:
            return {"type": "text", "text": "", **rest}
        case llm.BLOCK_KIND_THINKING if delta.thinking.redacted_data:
            return {"type": "redacted_thinking", "data": delta.thinking.redacted_data, **rest}
        case llm.BLOCK_KIND_THINKING:
            return {"type": "thinking", "thinking": "", "signature": "", **rest}
        case llm.BLOCK_KIND_TOOL_CALL:
            (call,) = delta.tool_calls
            return {"type": "tool_use", "id": call.id, "name": call.name, "input": "", **rest}
    opaque: dict[str, Any] = json.loads(delta.block.opaque_json)
    return opaque
