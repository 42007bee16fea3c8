"""Whole answers in OpenAI's forms: chat completions and plain completions."""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import generation_pb2
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai.answer import finish_reason, logprobs, merged, tool_call, usage
from synapse_runtime import jsontext
from synapse_runtime.ids import fresh_id


def chat(generation: generation_pb2.Generation, _asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a chat completion."""
    choices = [_chat_choice(choice) for choice in generation.choices]
    return jsontext.encode(_answer(generation, stamp, "chat.completion", "chatcmpl-", choices))


def completion(generation: generation_pb2.Generation, _asked: Asked, stamp: Stamp) -> bytes:
    """The answer as a plain completion."""
    choices = [_completion_choice(choice) for choice in generation.choices]
    return jsontext.encode(_answer(generation, stamp, "text_completion", "cmpl-", choices))


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
        made["usage"] = usage(generation.usage)
    if generation.HasField("service_tier"):
        made["service_tier"] = generation.service_tier
    if generation.HasField("system_fingerprint"):
        made["system_fingerprint"] = generation.system_fingerprint
    if generation.extra_json:
        made |= jsontext.load(generation.extra_json)
    if stamp.metadata is not None:
        made["synapse_metadata"] = stamp.metadata
    return made


def _chat_choice(choice: generation_pb2.Choice) -> dict[str, Any]:
    made = {
        "index": choice.index,
        "message": _message(choice),
        "logprobs": logprobs(choice.logprobs) if choice.HasField("logprobs") else None,
        "finish_reason": finish_reason(choice),
    }
    return merged(made, choice.extra_json)


def _message(choice: generation_pb2.Choice) -> dict[str, Any]:
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
        message["tool_calls"] = [tool_call(call) for call in choice.tool_calls]
    return merged(message, choice.message_extra_json)


def _completion_choice(choice: generation_pb2.Choice) -> dict[str, Any]:
    made = {
        "text": choice.content,
        "index": choice.index,
        "logprobs": logprobs(choice.logprobs) if choice.HasField("logprobs") else None,
        "finish_reason": finish_reason(choice),
    }
    return merged(made, choice.extra_json)
