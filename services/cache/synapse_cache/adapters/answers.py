"""Answers of the wire as answers of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.audits.comparison import Said, ToolUse
from synapse_cache.model import Answer, Finish

if TYPE_CHECKING:
    from synapse.llm.v1.generation_pb2 import Choice, Generation

_FINISHES = {
    llm.FINISH_REASON_UNSPECIFIED: Finish.NONE,
    llm.FINISH_REASON_STOP: Finish.STOP,
    llm.FINISH_REASON_LENGTH: Finish.LENGTH,
    llm.FINISH_REASON_TOOL_CALLS: Finish.TOOL_CALLS,
    llm.FINISH_REASON_FUNCTION_CALL: Finish.TOOL_CALLS,
    llm.FINISH_REASON_CONTENT_FILTER: Finish.CONTENT_FILTER,
}


def answer_of(generation: Generation) -> Answer:
    """The answer in `generation`."""
    return Answer(
        payload=generation.SerializeToString(),
        finishes=tuple(_FINISHES.get(choice.finish_reason, Finish.OTHER) for choice in generation.choices),
        empty=not any(map(_says_something, generation.choices)),
        tokens=generation.usage.total_tokens,
        cost_nanos=generation.usage.cost_nanos,
    )


def said_of(payload: bytes) -> Said | None:
    """What a stored answer of one choice says; None for several choices, and for what has no text form."""
    try:
        generation = llm.Generation.FromString(payload)
    except DecodeError:
        return None
    if len(generation.choices) != 1:
        return None
    choice = generation.choices[0]
    if any(block.kind == llm.BLOCK_KIND_OPAQUE for block in choice.blocks):
        return None
    uses = tuple(ToolUse(call.name, call.arguments) for call in choice.tool_calls)
    return Said(choice.content or choice.refusal, uses, refuses=bool(choice.refusal))


def _says_something(choice: Choice) -> bool:
    return bool(choice.content or choice.refusal or choice.tool_calls or choice.message_extra_json or choice.blocks)
