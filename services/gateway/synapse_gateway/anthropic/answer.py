"""The pieces that Anthropic's whole and streamed answers share: reasons, usage, blocks."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from synapse.llm.v1 import content_pb2, generation_pb2
from synapse_runtime import jsontext
from synapse_runtime.ids import fresh_id

_STOP, _OTHER = generation_pb2.FINISH_REASON_STOP, generation_pb2.FINISH_REASON_OTHER
_MET = "stop_sequence"
_WINDOW = "model_context_window_exceeded"
_REASONS = {
    _STOP: "end_turn",
    generation_pb2.FINISH_REASON_LENGTH: "max_tokens",
    generation_pb2.FINISH_REASON_TOOL_CALLS: "tool_use",
    generation_pb2.FINISH_REASON_FUNCTION_CALL: "tool_use",
    generation_pb2.FINISH_REASON_CONTENT_FILTER: "refusal",
}
INVALID = "INVALID_JSON"
"""The one member of a tool's input whose text is no JSON object, as Anthropic's guide to streamed tools has it."""


class Ended(Protocol):
    """What a choice and the last piece of one have in common."""

    @property
    def finish_reason(self) -> generation_pb2.FinishReason.ValueType:
        """Why it ended."""
        ...

    @property
    def finish_detail(self) -> str:
        """The provider's own word for it."""
        ...

    @property
    def stop_sequence(self) -> str:
        """The stop text met."""
        ...


def stop_reason(ended: Ended, *, own: bool, calls: bool, refused: bool) -> str:
    """Why the answer ended, in Anthropic's words.

    A refusal is one whatever the backend's word for it, and so are tool calls: OpenAI's answers end in "stop" after
    the call of a tool that was asked for by name. Words without an equal are told only of `own` answers.
    """
    reason = ended.finish_reason
    if refused:
        return "refusal"
    if calls and reason == _STOP:
        return "tool_use"
    if reason == _OTHER and own and ended.finish_detail:
        return ended.finish_detail
    if ended.finish_detail == _WINDOW:
        return _WINDOW
    if reason == _STOP and (ended.stop_sequence or (own and ended.finish_detail == _MET)):
        return _MET
    return _REASONS.get(reason, "tool_use" if calls else "end_turn")


def usage(value: generation_pb2.Usage | None, *, own: bool) -> dict[str, Any]:
    """Anthropic's usage: `input_tokens` are those that the provider's own cache had no part in."""
    if value is None:
        return {"input_tokens": 0, "output_tokens": 0}
    cached = value.cache_read_tokens + value.cache_write_tokens
    made: dict[str, Any] = {
        "input_tokens": max(0, value.prompt_tokens - cached),
        "cache_creation_input_tokens": value.cache_write_tokens if value.HasField("cache_write_tokens") else None,
        "cache_read_input_tokens": value.cache_read_tokens if value.HasField("cache_read_tokens") else None,
        "output_tokens": value.completion_tokens,
    }
    if value.HasField("reasoning_tokens"):
        made["output_tokens_details"] = {"thinking_tokens": value.reasoning_tokens}
    return merged(made, value.extra_json if own else "")


def answer_id(given: str, *, fresh: bool) -> str:
    """The id of an answer: the backend's own where it is Anthropic's and this is no stored answer."""
    return given if given.startswith("msg_") and not fresh else fresh_id("msg_")


def thinking(value: content_pb2.Thinking) -> dict[str, Any]:
    """A block of thinking, its signature byte for byte."""
    if value.redacted_data:
        return {"type": "redacted_thinking", "data": value.redacted_data}
    return {"type": "thinking", "thinking": value.text, "signature": value.signature}


def tool_use(value: content_pb2.ToolCall, *, own: bool) -> dict[str, Any]:
    """A whole tool call."""
    made = tool_opening(value.id, value.name)
    made["input"] = _input(value.arguments)
    return merged(made, value.extra_json if own else "")


def tool_opening(given_id: str, name: str) -> dict[str, Any]:
    """A tool call whose input is still to come."""
    return {"type": "tool_use", "id": given_id or fresh_id("toolu_"), "name": name, "input": {}}


def _input(arguments: str) -> object:
    """The arguments as the object that Anthropic's form wants, as they were written; never a guess at broken ones."""
    text = arguments.strip()
    if text in {"", "null"}:
        return {}
    return orjson.Fragment(text) if is_object(text) else {INVALID: arguments}


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def merged(made: dict[str, Any], extra_json: str) -> dict[str, Any]:
    """`made` with the members that were kept."""
    return {**made, **jsontext.load(extra_json)} if extra_json else made
