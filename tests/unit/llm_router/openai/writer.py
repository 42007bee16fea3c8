"""An independent writing of canonical answers as OpenAI JSON, after the tables in the adapters' docstrings."""

from __future__ import annotations

import json
from typing import Any

from synapse.llm.v1 import content_pb2
from synapse.llm.v1 import generation_pb2 as llm

REASONS = {1: "stop", 2: "length", 3: "tool_calls", 4: "content_filter", 5: "function_call"}


def extras(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text) if text else {}
    return value


def write_answer(generation: llm.Generation, *, legacy: bool = False) -> dict[str, Any]:
    """The OpenAI JSON of an answer; absent members are left out."""
    body: dict[str, Any] = {"choices": [write_choice(choice, legacy=legacy) for choice in generation.choices]}
    body["object"] = "text_completion" if legacy else "chat.completion"
    for name in ("id", "model"):
        if getattr(generation, name):
            body[name] = getattr(generation, name)
    if generation.HasField("system_fingerprint"):
        body["system_fingerprint"] = generation.system_fingerprint
    if generation.HasField("service_tier"):
        body["service_tier"] = generation.service_tier
    if generation.HasField("create_time"):
        body["created"] = generation.create_time.seconds
    if generation.HasField("usage"):
        body["usage"] = write_usage(generation.usage)
    return {**body, **extras(generation.extra_json)}


def write_usage(usage: llm.Usage) -> dict[str, Any]:
    counts = {name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {**counts, **extras(usage.extra_json)}


def write_choice(choice: llm.Choice, *, legacy: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"index": choice.index}
    if legacy:
        body["text"] = choice.content
    else:
        body["message"] = write_message(choice)
    if choice.finish_reason:
        body["finish_reason"] = REASONS.get(choice.finish_reason) or choice.finish_detail
    if choice.HasField("logprobs"):
        legacy_json = choice.logprobs.legacy_json
        body["logprobs"] = json.loads(legacy_json) if legacy_json else write_logprobs(choice.logprobs)
    return {**body, **extras(choice.extra_json)}


def write_message(choice: llm.Choice) -> dict[str, Any]:
    body: dict[str, Any] = {"role": "assistant"}
    for name in ("content", "refusal"):
        if choice.HasField(name):
            body[name] = getattr(choice, name)
    if choice.HasField("reasoning"):
        body[choice.reasoning.field] = choice.reasoning.text
    if choice.tool_calls:
        body["tool_calls"] = [write_call(call) for call in choice.tool_calls]
    return {**body, **extras(choice.message_extra_json)}


def write_call(call: content_pb2.ToolCall) -> dict[str, Any]:
    rest = extras(call.extra_json)
    body: dict[str, Any] = {"id": call.id, "type": call.type}
    if call.type == "function":
        body["function"] = {"name": call.name, "arguments": call.arguments, **rest.pop("function", {})}
    return {**body, **rest}


def write_logprobs(logprobs: llm.Logprobs) -> dict[str, Any]:
    return {
        name: [write_token(token) for token in getattr(logprobs, name)]
        for name in ("content", "refusal")
        if getattr(logprobs, name)
    }


def write_token(token: llm.TokenLogprob, *, top: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    body["bytes"] = list(token.token_bytes) if token.HasField("token_bytes") else None
    if top:
        body["top_logprobs"] = [write_token(other, top=False) for other in token.top]
    return body | (json.loads(token.extra_json) if token.extra_json else {})
