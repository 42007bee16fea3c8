"""Canonical questions as the values of a mapping's placeholders.

The placeholders are members of an OpenAI request by their names, and besides:

| placeholder    | value                                                                                               |
|----------------|-----------------------------------------------------------------------------------------------------|
| `prompt`       | a plain completion's text, or the conversation by a template of prompts.py                          |
| `messages`     | the conversation in OpenAI's form, with its tool calls, results of tools and media                  |
| `max_tokens`   | `max_completion_tokens`, else `max_tokens`                                                          |
| `stop`         | always a list                                                                                       |
| `schema`       | the schema of a `response_format` json_schema                                                       |
| `stream`       | whether the answer shall be streamed                                                                |
| `request_id`   | the id of the call                                                                                  |

A parameter that the question has and the mapping does not hold is refused, unless it asks for nothing, only tunes, or
is named in `left_out`. What is told of the caller is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synapse.llm.v1.request_pb2 import ToolChoice
from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.members_json import JsonObject, schema_in
from synapse_llm_router.adapters.openai.request import request_body
from synapse_llm_router.adapters.prompts import Template, is_completion, prompt_of
from synapse_llm_router.adapters.target import Target
from synapse_llm_router.mapping import CustomMapping

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import GenerationRequest

_NOT_ASKED: dict[str, Any] = {
    "n": 1,
    "best_of": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "response_format": {"type": "text"},
    "reasoning_effort": "none",
    "echo": False,
    "suffix": "",
    "modalities": ["text"],
}
"""Values that ask for what every backend does anyway."""
_LEFT_OUT = refusing.TUNING | {
    "model",
    "messages",
    "prompt",
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
}


def values_of(
    request: GenerationRequest, model: str, mapping: CustomMapping, template: Template, target: Target
) -> JsonObject:
    """The values of the placeholders that `request` has; raises InvalidArgument for what the mapping cannot ask."""
    held = mapping.placeholders
    refusing.require_text_only(target, request)
    if request.reasoning.enabled and not request.reasoning.HasField("effort"):
        raise target.lacks_parameter("reasoning", "its mapping cannot switch thinking on")
    plain = type(request)()
    plain.CopyFrom(request)
    plain.extra_json = ""
    if "messages" not in held:
        plain.ClearField("messages")
    members = request_body(plain, model, target.backend)
    if "prompt" in held:
        members["prompt"] = prompt_of(request, template, target).text
    elif is_completion(request):
        raise target.lacks_content("prompt", "its mapping asks conversations only")
    _put_ours(members, request, held)
    for name, value in members.items():
        if name not in held | _LEFT_OUT | set(mapping.left_out) and _NOT_ASKED.get(name) != value:
            raise target.lacks_parameter(name, "its mapping has no place for it")
    return {name: value for name, value in members.items() if name in held}


def _put_ours(members: JsonObject, request: GenerationRequest, held: frozenset[str]) -> None:
    if "tools" not in held and request.tool_choice.mode == ToolChoice.MODE_NONE:
        members.pop("tools", None)
        members.pop("tool_choice")
    if "max_completion_tokens" in members:
        members["max_tokens"] = members.pop("max_completion_tokens")
    if request.sampling.stop:
        members["stop"] = list(request.sampling.stop)
    form = request.response_format
    if "schema" in held and form.type == "json_schema":
        members["schema"] = schema_in(form.json_schema_json)
        members.pop("response_format")
