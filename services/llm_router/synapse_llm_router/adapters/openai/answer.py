"""A whole OpenAI answer (chat or legacy completion) as a canonical Generation.

| OpenAI member                                       | canonical place                                  |
|-----------------------------------------------------|--------------------------------------------------|
| `id` `model` `system_fingerprint` `service_tier`    | the fields of the same name; null means absent   |
| `created`                                           | `create_time`, whole seconds                     |
| `object`                                            | dropped: it follows from the kind of the request |
| `choices[].index` `.finish_reason` `.logprobs`      | `Choice` (members.py)                     |
| `choices[].message`                                 | `Choice` (members.py); `role` "assistant" |
|                                                     | is dropped; the rest in `message_extra_json`     |
| `choices[].text` (completions)                      | `Choice.content`                                 |
| `choices[].stop_reason`, a text (vLLM)              | `Choice.stop_sequence` as well as in `extra_json`|
| `usage`                                             | `usage`                                          |
| everything else                                     | `extra_json` of the choice or of the Generation  |
"""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.members_json import JsonObject, text_of
from synapse_llm_router.adapters.openai import members


def read_answer(body: Any, generation: wire.Generation) -> None:
    """Fill `generation` from the JSON value `body`; raises Malformed when it is not an answer."""
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise Malformed("the answer has no list of choices")
    try:
        _read_answer(body, generation)
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type than the protocol's
        raise Malformed(f"the answer does not have the OpenAI form: {error}") from error


def _read_answer(body: JsonObject, generation: wire.Generation) -> None:
    generation.protocol = PROTOCOL_OPENAI
    extra: JsonObject = {}
    members.read_members(generation, body, _ANSWER, extra)
    if extra:
        generation.extra_json = text_of(extra)


def _read_choices(generation: wire.Generation, choices: Any) -> bool:
    for position, value in enumerate(choices):
        choice = generation.choices.add(index=position)
        extra: JsonObject = {}
        readers = _LEGACY_CHOICE if "text" in value else _CHAT_CHOICE
        members.read_members(choice, value, readers, extra)
        if extra:
            members.read_stop_text(choice, extra)
            choice.extra_json = text_of(extra)
    return True


def _read_message(choice: wire.Choice, message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    extra: JsonObject = {}
    members.read_members(choice, message, _MESSAGE, extra)
    if extra:
        choice.message_extra_json = text_of(extra)
    return True


def _read_calls(choice: wire.Choice, calls: Any) -> bool:
    if not isinstance(calls, list) or not calls:
        return False
    for call in calls:
        members.read_call(choice.tool_calls.add(), call)
    return True


def read_created(target: Any, value: Any) -> bool:
    """Read the time of making, in seconds since 1970."""
    if not isinstance(value, int):
        return False
    target.create_time.seconds = value
    return True


def _read_index(choice: wire.Choice, value: Any) -> bool:
    choice.index = value
    return True


def _read_usage(generation: wire.Generation, value: Any) -> bool:
    members.read_usage(generation.usage, value)
    return True


_ANSWER: dict[str, members.Reader] = {
    "id": members.read_text("id"),
    "object": lambda _target, _value: True,
    "created": read_created,
    "model": members.read_text("model"),
    "choices": _read_choices,
    "usage": _read_usage,
    "system_fingerprint": members.read_text("system_fingerprint"),
    "service_tier": members.read_text("service_tier"),
}
_CHOICE: dict[str, members.Reader] = {"index": _read_index, "finish_reason": members.read_finish}
_CHAT_CHOICE = {**_CHOICE, "message": _read_message, "logprobs": members.read_chat_logprobs}
_LEGACY_CHOICE = {**_CHOICE, "text": members.read_text("content"), "logprobs": members.read_legacy_logprobs}
_MESSAGE: dict[str, members.Reader] = {
    "role": lambda _target, value: value == "assistant",
    "content": members.read_text("content"),
    "refusal": members.read_text("refusal"),
    "reasoning_content": members.read_reasoning("reasoning_content"),
    "reasoning": members.read_reasoning("reasoning"),
    "tool_calls": _read_calls,
}
