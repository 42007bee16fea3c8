"""Whole answers in Anthropic's form."""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import content_pb2, generation_pb2, request_pb2
from synapse_gateway.anthropic.answer import answer_id, merged, stop_reason, thinking, tool_use, usage
from synapse_gateway.dialect import Asked, Stamp, is_own
from synapse_runtime import jsontext


def message(generation: generation_pb2.Generation, _asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a message: its choice 0, for this protocol asks for no other."""
    own = is_own(generation.protocol, request_pb2.PROTOCOL_ANTHROPIC)
    choice = generation.choices[0] if generation.choices else generation_pb2.Choice()
    calls, refused = bool(choice.tool_calls), bool(choice.refusal)
    made: dict[str, Any] = {
        "id": answer_id(generation.id, fresh=stamp.fresh),
        "type": "message",
        "role": "assistant",
        "model": generation.model,
        "content": _in_order(choice) if choice.blocks and own else _usual(choice, own=own),
        "stop_reason": stop_reason(choice, own=own, calls=calls, refused=refused),
        "stop_sequence": choice.stop_sequence if choice.HasField("stop_sequence") else None,
        "usage": usage(generation.usage if generation.HasField("usage") else None, own=own),
    }
    if own:
        for extra in (generation.extra_json, choice.message_extra_json, choice.extra_json):
            made = merged(made, extra)
    if stamp.metadata is not None:
        made["synapse_metadata"] = stamp.metadata
    return jsontext.encode(made)


def _usual(choice: generation_pb2.Choice, *, own: bool) -> list[dict[str, Any]]:
    """The blocks in the usual order; an empty text is none, for no client may send it back."""
    made = []
    if choice.reasoning.text:
        made.append(thinking(content_pb2.Thinking(text=choice.reasoning.text)))
    made += [thinking(block) for block in choice.thinking]
    made += [_text(told) for told in (choice.content, choice.refusal) if told]
    return made + [tool_use(call, own=own) for call in choice.tool_calls]


def _in_order(choice: generation_pb2.Choice) -> list[dict[str, Any]]:
    """The blocks in the order that the answer tells, and behind them what it does not place."""
    thoughts = iter([thinking(block) for block in choice.thinking])
    calls = iter([tool_use(call, own=True) for call in choice.tool_calls])
    made, told = [], 0
    for block in choice.blocks:
        content: dict[str, Any] | None = None
        if block.kind == generation_pb2.BLOCK_KIND_TEXT:
            content = _text(choice.content[told : told + block.text_length])
            told += block.text_length
        elif block.kind == generation_pb2.BLOCK_KIND_THINKING:
            content = next(thoughts, None)
        elif block.kind == generation_pb2.BLOCK_KIND_TOOL_CALL:
            content = next(calls, None)
        elif block.opaque_json:
            content = jsontext.load(block.opaque_json)
        if content is not None:
            made.append(merged(content, block.extra_json))
    made += thoughts
    made += [_text(rest) for rest in (choice.content[told:], choice.refusal) if rest]
    return made + list(calls)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
