"""Whole responses, and the pieces that they share with streamed ones: the envelope, usage, token probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from synapse.llm.v1 import generation_pb2
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai.answer import merged
from synapse_gateway.responses.output import Output, Status
from synapse_runtime import jsontext
from synapse_runtime.ids import fresh_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synapse.llm.v1 import content_pb2

Reason: TypeAlias = Literal["max_output_tokens", "content_filter"]
_INCOMPLETE: dict[int, Reason] = {
    generation_pb2.FINISH_REASON_LENGTH: "max_output_tokens",
    generation_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
}


def whole(generation: generation_pb2.Generation, asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a response."""
    output, finish = Output(_nobody), generation_pb2.FINISH_REASON_UNSPECIFIED
    for choice in generation.choices[:1]:
        _speak(choice, output)
        finish = choice.finish_reason
    output.end(item_status(finish))
    made = envelope(asked, stamp, generation)
    used = generation.usage if generation.HasField("usage") else None
    return jsontext.encode(made | ended(output, finish, used, now=stamp.now))


def envelope(asked: Asked, stamp: Stamp, head: generation_pb2.Generation | generation_pb2.StreamHead) -> dict[str, Any]:
    """A response that has just begun."""
    created = 0 if stamp.fresh else head.create_time.seconds
    made: dict[str, Any] = {
        "id": fresh_id("resp_"),
        "object": "response",
        "created_at": created or stamp.now,
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": head.model or asked.request.model,
        "output": [],
        "usage": None,
        **(asked.echo or {}),
    }
    if head.HasField("service_tier"):
        made["service_tier"] = head.service_tier
    if stamp.metadata is not None:
        made["synapse_metadata"] = stamp.metadata
    return made


def ended(
    output: Output, finish: generation_pb2.FinishReason.ValueType, used: generation_pb2.Usage | None, *, now: int
) -> dict[str, Any]:
    """What the end of an answer changes in its envelope; `now` in seconds since the epoch."""
    reason = _INCOMPLETE.get(finish)
    return {
        "status": item_status(finish),
        "completed_at": None if reason else now,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output.shown(),
        "usage": None if used is None else usage(used),
    }


def item_status(finish: generation_pb2.FinishReason.ValueType) -> Status:
    """How the last item of an answer ended, and so the answer."""
    return "incomplete" if finish in _INCOMPLETE else "completed"


def usage(value: generation_pb2.Usage) -> dict[str, Any]:
    """What an answer cost."""
    return {
        "input_tokens": value.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": value.cache_read_tokens,
            "cache_write_tokens": value.cache_write_tokens,
        },
        "output_tokens": value.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": value.reasoning_tokens},
        "total_tokens": value.total_tokens,
    }


def logprobs(tokens: Iterable[generation_pb2.TokenLogprob]) -> list[dict[str, Any]]:
    """Probabilities of tokens, each with the likeliest at its place."""
    return [{**_token(token), "top_logprobs": [_token(top) for top in token.top]} for token in tokens]


def _token(value: generation_pb2.TokenLogprob) -> dict[str, Any]:
    spelled = value.token_bytes if value.HasField("token_bytes") else value.token.encode()
    return merged({"token": value.token, "logprob": value.logprob, "bytes": list(spelled)}, value.extra_json)


def custom_call(extra_json: str) -> tuple[str, str]:
    """Name and input in the members of a custom tool's call, or of a piece of one."""
    custom = jsontext.load(extra_json).get("custom") if extra_json else None
    if not isinstance(custom, dict):
        return "", ""
    return str(custom.get("name") or ""), str(custom.get("input") or "")


def _nobody(_kind: str, _members: dict[str, Any]) -> None:
    """Listens to nothing."""


def _speak(choice: generation_pb2.Choice, output: Output) -> None:
    """Say a whole choice: in the order of its blocks where that is told, else thoughts, text, refusal, calls."""
    if choice.reasoning.text:
        output.think(None, choice.reasoning.text)
    if choice.blocks:
        _speak_blocks(choice, output)
    else:
        for number, thought in enumerate(choice.thinking):
            _think(thought, number, output)
        if choice.content:
            output.say(choice.content, logprobs(choice.logprobs.content))
    if choice.refusal:
        output.refuse(choice.refusal)
    if not choice.blocks:
        for number, call in enumerate(choice.tool_calls):
            _call(call, number, output)


def _speak_blocks(choice: generation_pb2.Choice, output: Output) -> None:
    told = thoughts = calls = 0
    for block in choice.blocks:
        if block.kind == generation_pb2.BLOCK_KIND_TEXT:
            output.split()
            text = choice.content[told : told + block.text_length]
            told += block.text_length
            if text:
                output.say(text, [])
        elif block.kind == generation_pb2.BLOCK_KIND_THINKING:
            _think(choice.thinking[thoughts], thoughts, output)
            thoughts += 1
        elif block.kind == generation_pb2.BLOCK_KIND_TOOL_CALL:
            _call(choice.tool_calls[calls], calls, output)
            calls += 1
    if told < len(choice.content):
        output.say(choice.content[told:], [])


def _think(thought: content_pb2.Thinking, number: int, output: Output) -> None:
    output.think(number, thought.text, signature=thought.signature, redacted_data=thought.redacted_data)


def _call(call: content_pb2.ToolCall, number: int, output: Output) -> None:
    custom = call.type == "custom"
    name, text = custom_call(call.extra_json) if custom else (call.name, call.arguments)
    output.call(number, text, call_id=call.id, name=name, custom=custom)
