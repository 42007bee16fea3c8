"""The pieces that OpenAI's whole and streamed answers share: reasons, usage, token probabilities, tool calls.

`own` says whether members without a field are OpenAI's; those of others are left out.
"""

from __future__ import annotations

from typing import Any, Protocol

from synapse.llm.v1 import content_pb2, generation_pb2
from synapse_runtime import jsontext

_REASONS = {
    generation_pb2.FINISH_REASON_STOP: "stop",
    generation_pb2.FINISH_REASON_LENGTH: "length",
    generation_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    generation_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    generation_pb2.FINISH_REASON_FUNCTION_CALL: "function_call",
}


class Finished(Protocol):
    """What a choice and a piece of one have in common."""

    @property
    def finish_reason(self) -> generation_pb2.FinishReason.ValueType:
        """Why it ended."""
        ...

    @property
    def finish_detail(self) -> str:
        """The provider's own word for it."""
        ...


def finish_reason(choice: Finished, *, own: bool) -> str | None:
    """The reason as OpenAI writes it; None while the choice has not ended. Words of others have no equal: "stop"."""
    reason = choice.finish_reason
    if reason == generation_pb2.FINISH_REASON_UNSPECIFIED:
        return None
    return _REASONS.get(reason) or (choice.finish_detail if own else "") or "stop"


def usage(value: generation_pb2.Usage, *, own: bool) -> dict[str, Any]:
    """OpenAI's usage object; the details objects as the provider gave them, or made of the counts known."""
    made: dict[str, Any] = {
        "prompt_tokens": value.prompt_tokens,
        "completion_tokens": value.completion_tokens,
        "total_tokens": value.total_tokens,
    }
    if value.HasField("cache_read_tokens"):
        made["prompt_tokens_details"] = {"cached_tokens": value.cache_read_tokens}
    if value.HasField("reasoning_tokens"):
        made["completion_tokens_details"] = {"reasoning_tokens": value.reasoning_tokens}
    return merged(made, value.extra_json) if own else made


def logprobs(value: generation_pb2.Logprobs) -> Any:
    """The `logprobs` member: of chat, or as it came in the legacy completions form."""
    if value.legacy_json:
        return jsontext.load(value.legacy_json)
    return {
        "content": [_token(token) for token in value.content] or None,
        "refusal": [_token(token) for token in value.refusal] or None,
    }


def _token(value: generation_pb2.TokenLogprob) -> dict[str, Any]:
    made = _bare_token(value)
    made["top_logprobs"] = [_bare_token(top) for top in value.top]
    return made


def _bare_token(value: generation_pb2.TokenLogprob) -> dict[str, Any]:
    spelled = list(value.token_bytes) if value.HasField("token_bytes") else None
    made = {"token": value.token, "logprob": value.logprob, "bytes": spelled}
    return merged(made, value.extra_json)


def tool_call(value: content_pb2.ToolCall, *, own: bool) -> dict[str, Any]:
    """A whole tool call."""
    made: dict[str, Any] = {"id": value.id, "type": value.type or "function"}
    if made["type"] == "function":
        made["function"] = {"name": value.name, "arguments": value.arguments}
    return merged(made, value.extra_json if own else "")


def tool_call_delta(value: generation_pb2.ToolCallDelta, *, own: bool) -> dict[str, Any]:
    """A piece of a tool call; id, type and name only where the piece has them."""
    made: dict[str, Any] = {"index": value.index}
    function = {}
    if value.HasField("id"):
        made["id"] = value.id
    if value.HasField("type"):
        made["type"] = value.type
    if value.HasField("name"):
        function["name"] = value.name
    if value.HasField("arguments"):
        function["arguments"] = value.arguments
    if function:
        made["function"] = function
    return merged(made, value.extra_json if own else "")


def merged(made: dict[str, Any], extra_json: str) -> dict[str, Any]:
    """`made` with the members that were kept; those of `function` join the function's."""
    if not extra_json:
        return made
    extra = jsontext.load(extra_json)
    function = extra.get("function")
    if isinstance(function, dict) and isinstance(made.get("function"), dict):
        extra["function"] = {**made["function"], **function}
    return {**made, **extra}
