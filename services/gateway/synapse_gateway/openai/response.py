"""Whole answers in OpenAI's forms: chat completions and plain completions."""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import generation_pb2, request_pb2
from synapse_gateway.dialect import Asked, Stamp, is_own
from synapse_gateway.openai.answer import finish_reason, logprobs, merged, tool_call, usage
from synapse_runtime import jsontext
from synapse_runtime.ids import fresh_id


def chat(generation: generation_pb2.Generation, _asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a chat completion."""
    own = _is_own(generation)
    choices = [_chat_choice(choice, own=own) for choice in generation.choices]
    return jsontext.encode(_answer(generation, stamp, "chat.completion", "chatcmpl-", choices))


def completion(generation: generation_pb2.Generation, _asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a plain completion."""
    own = _is_own(generation)
    choices = [_completion_choice(choice, own=own) for choice in generation.choices]
    return jsontext.encode(_answer(generation, stamp, "text_completion", "cmpl-", choices))


def _is_own(generation: generation_pb2.Generation) -> bool:
    return is_own(generation.protocol, request_pb2.PROTOCOL_OPENAI)


def _answer(
    generation: generation_pb2.Generation, stamp: Stamp, kind: str, prefix: str, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    as_it_came = not stamp.fresh
    created = generation.create_time.seconds if as_it_came else 0
    made: dict[str, Any] = {
        "id": (generation.id if as_it_came else "") or fresh_id(prefix),
        "object": kind,
        "created": created or stamp.now,
        "model": generation.model,
        "choices": choices,
    }
    if generation.HasField("usage"):
        made["usage"] = usage(generation.usage, own=_is_own(generation))
    if generation.HasField("service_tier"):
        made["service_tier"] = generation.service_tier
    if generation.HasField("system_fingerprint"):
        made["system_fingerprint"] = generation.system_fingerprint
    if generation.extra_json and _is_own(generation):
        made |= jsontext.load(generation.extra_json)
    if stamp.metadata is not None:
        made["synapse_metadata"] = stamp.metadata
    return made


def _chat_choice(choice: generation_pb2.Choice, *, own: bool) -> dict[str, Any]:
    made = {
        "index": choice.index,
        "message": _message(choice, own=own),
        "logprobs": logprobs(choice.logprobs) if choice.HasField("logprobs") else None,
        "finish_reason": finish_reason(choice, own=own),
    }
    return merged(made, choice.extra_json if own else "")


def _message(choice: generation_pb2.Choice, *, own: bool) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.content if choice.HasField("content") else None,
        "refusal": choice.refusal if choice.HasField("refusal") else None,
    }
    if choice.HasField("reasoning"):
        message[choice.reasoning.field or "reasoning_content"] = choice.reasoning.text
    elif thoughts := "".join(block.text for block in choice.thinking):
        message["reasoning_content"] = thoughts
    if choice.tool_calls:
        message["tool_calls"] = [tool_call(call, own=own) for call in choice.tool_calls]
    return merged(message, choice.message_extra_json if own else "")


def _completion_choice(choice: generation_pb2.Choice, *, own: bool) -> dict[str, Any]:
    made = {
        "text": choice.content,
        "index": choice.index,
        "logprobs": logprobs(choice.logprobs) if choice.HasField("logprobs") else None,
        "finish_reason": finish_reason(choice, own=own),
    }
    return merged(made, choice.extra_json if own else "")
