"""Answers of the wire as answers of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse.llm.v1 import generation_pb2 as llm
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


def _says_something(choice: Choice) -> bool:
    return bool(choice.content or choice.refusal or choice.tool_calls or choice.message_extra_json or choice.blocks)
