"""Canonical questions as OpenAI requests, for chat and for legacy completions.

| OpenAI member                                            | canonical place                                     |
|----------------------------------------------------------|-----------------------------------------------------|
| `model` `messages`                                       | `model` `messages` (messages.py)                    |
| `temperature` `top_p` `top_k` `min_p` `seed`             | `sampling`, same names                              |
| `max_tokens` `max_completion_tokens` `best_of`           | `sampling`, same names                              |
| `presence_penalty` `frequency_penalty`                   | `sampling`, same names                              |
| `stop` text / list                                       | `sampling.stop` with `stop_is_text` / without       |
| `logit_bias` `n`                                         | `sampling.logit_bias_json` `.choice_count`          |
| chat: `logprobs` (boolean), `top_logprobs`               | `sampling.logprobs` `.top_logprobs`                 |
| completions: `logprobs` (number)                         | `sampling.top_logprobs`                             |
| `tools[]` of type "function"                             | `tools[]`: name, description, parameters, strict    |
| any other tool                                           | `tools[].type` (may be empty), whole in `extra_json`|
| `tool_choice` "auto" "none" "required"                   | `tool_choice.mode`                                  |
| `tool_choice` exactly {type: function, function: {name}} | MODE_NAMED with `name`                              |
| any other `tool_choice`                                  | MODE_OTHER with `raw_json`                          |
| `parallel_tool_calls` `modalities`                       | same names                                          |
| `response_format.type` `.json_schema`                    | `response_format.type` `.json_schema_json`          |
| `reasoning_effort`                                       | `reasoning.effort`                                  |
| `user` `safety_identifier` `store` `service_tier`        | `caller`, same names                                |
| `prompt_cache_key` `metadata`                            | `caller.prompt_cache_key` `.metadata_json`          |
| completions: `prompt` text / tokens / lists of either    | `prompt.texts` / `.token_ids`, lists are `batched`  |
| completions: `suffix` `echo`                             | `prompt`, same names                                |
| `stream` `stream_options`                                | nowhere: each hop decides for itself                |
| everything else, `functions` and `audio` too             | `extra_json`                                        |

A null member is an absent one; unknown null members are kept. A member of a known name whose value has not the
field's type rides in `extra_json` under its own name. Extras go out only when the question came in this protocol.

Of a question that came in another one, `reasoning.budget_tokens`, `.enabled` and `.extra_json`, which have no member
here, and Anthropic's tiers of service are left out; a JSON schema gets the name that this wire demands; tools and
choices of tools in the words of that protocol are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from synapse.llm.v1.request_pb2 import (
    GENERATION_KIND_COMPLETION,
    PROTOCOL_ANTHROPIC,
    PROTOCOL_OPENAI,
    ToolChoice,
)
from synapse_llm_router.adapters.members_json import JsonObject, adopt, parse, parse_object, verbatim
from synapse_llm_router.adapters.openai.messages import message_bodies
from synapse_llm_router.adapters.target import Target
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import (
        CompletionPrompt,
        GenerationRequest,
        ResponseFormat,
        Sampling,
        Tool,
    )

CHAT_PATH = "/chat/completions"
COMPLETIONS_PATH = "/completions"
_MODES = {ToolChoice.MODE_AUTO: "auto", ToolChoice.MODE_NONE: "none", ToolChoice.MODE_REQUIRED: "required"}
_RENAMED = {"choice_count": "n"}
_CALLER: tuple[Literal["user", "safety_identifier", "store", "service_tier", "prompt_cache_key"], ...] = (
    "user",
    "safety_identifier",
    "store",
    "service_tier",
    "prompt_cache_key",
)
_SHARED_TIERS = frozenset({"auto"})
_SCHEMA_NAME = "answer"
"""Name of a JSON schema that came without one."""


def is_legacy(request: GenerationRequest) -> bool:
    """Whether `request` is a plain completion."""
    return request.kind == GENERATION_KIND_COMPLETION


def request_bytes(
    request: GenerationRequest,
    model: str,
    backend: str,
    *,
    stream: bool,
    ask_usage: bool = True,
    newer_limit: bool = False,
) -> bytes:
    """The HTTP body that asks `request` of the upstream's `model`.

    A streamed answer is asked to end in its usage, unless `ask_usage` is off. With `newer_limit` the limit of a
    question that came in another protocol goes by `max_completion_tokens`. Raises InvalidArgument when a JSON text
    inside is not JSON or something has no form on this wire.
    """
    body = request_body(request, model, backend)
    body.pop("stream", None)
    body.pop("stream_options", None)
    if newer_limit and request.protocol != PROTOCOL_OPENAI and "max_tokens" in body:
        body["max_completion_tokens"] = body.pop("max_tokens")
    if stream:
        body["stream"] = True
        if ask_usage:
            body["stream_options"] = {"include_usage": True}
    return jsontext.encode(body)


def request_body(request: GenerationRequest, model: str, backend: str) -> JsonObject:
    """The members of the OpenAI request, without those about streaming."""
    target = Target(backend, own=request.protocol == PROTOCOL_OPENAI)
    legacy = is_legacy(request)
    body: JsonObject = {"model": model}
    if legacy:
        _put_prompt(body, request.prompt)
    else:
        body["messages"] = message_bodies(request.messages, target)
    if request.HasField("sampling"):
        _put_sampling(body, request.sampling, legacy=legacy)
    _put_tools(body, request, target)
    if request.HasField("response_format"):
        body["response_format"] = _response_format(request.response_format, target)
    if request.reasoning.HasField("effort"):
        body["reasoning_effort"] = request.reasoning.effort
    if request.modalities:
        body["modalities"] = list(request.modalities)
    if request.HasField("caller"):
        _put_caller(body, request)
    if target.own:
        adopt(body, request.extra_json, "extra_json")
    return body


def _put_prompt(body: JsonObject, prompt: CompletionPrompt) -> None:
    values: list[Any] = [list(one.ids) for one in prompt.token_ids] or list(prompt.texts)
    if prompt.batched or len(values) > 1:
        body["prompt"] = values
    elif values:
        body["prompt"] = values[0]
    if prompt.HasField("suffix"):
        body["suffix"] = prompt.suffix
    if prompt.HasField("echo"):
        body["echo"] = prompt.echo


def _put_sampling(body: JsonObject, sampling: Sampling, *, legacy: bool) -> None:
    for field, value in sampling.ListFields():
        name = field.name
        if name == "stop":
            body["stop"] = value[0] if sampling.stop_is_text else list(value)
        elif name == "logit_bias_json":
            body["logit_bias"] = verbatim(value, "sampling.logit_bias_json")
        elif legacy and name == "top_logprobs":
            body["logprobs"] = value
        elif name != "stop_is_text" and not (legacy and name == "logprobs"):
            body[_RENAMED.get(name, name)] = value


def _put_tools(body: JsonObject, request: GenerationRequest, target: Target) -> None:
    if request.tools:
        body["tools"] = [_tool(tool, target) for tool in request.tools]
    choice = request.tool_choice
    if choice.mode in _MODES:
        body["tool_choice"] = _MODES[choice.mode]
    elif choice.mode == ToolChoice.MODE_NAMED:
        body["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode == ToolChoice.MODE_OTHER:
        if not target.own:
            raise target.lacks_parameter("tool_choice", "it is in the words of another protocol")
        body["tool_choice"] = verbatim(choice.raw_json, "tool_choice.raw_json")
    if request.HasField("parallel_tool_calls"):
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _tool(tool: Tool, target: Target) -> Any:
    if tool.type != "function":
        if not target.own:
            raise target.lacks_parameter("tools", f"a tool of type {tool.type!r} belongs to another protocol")
        return parse(tool.extra_json, "tools.extra_json") if tool.extra_json else {"type": tool.type}
    function: JsonObject = {"name": tool.name}
    if tool.HasField("description"):
        function["description"] = tool.description
    if tool.parameters_json:
        function["parameters"] = verbatim(tool.parameters_json, "tools.parameters_json")
    if tool.HasField("strict"):
        function["strict"] = tool.strict
    body: JsonObject = {"type": "function", "function": function}
    if target.own:
        adopt(body, tool.extra_json, "tools.extra_json")
    return body


def _response_format(form: ResponseFormat, target: Target) -> JsonObject:
    body: JsonObject = {"type": form.type} if form.type else {}
    if form.json_schema_json:
        body["json_schema"] = _json_schema(form.json_schema_json, target)
    if target.own:
        adopt(body, form.extra_json, "response_format.extra_json")
    return body


def _json_schema(text: str, target: Target) -> Any:
    field = "response_format.json_schema_json"
    if target.own or "name" in (schema := parse_object(text, field)):
        return verbatim(text, field)
    return {"name": _SCHEMA_NAME, **schema}


def _put_caller(body: JsonObject, request: GenerationRequest) -> None:
    caller = request.caller
    for name in _CALLER:
        if caller.HasField(name):
            body[name] = getattr(caller, name)
    if request.protocol == PROTOCOL_ANTHROPIC and caller.service_tier not in _SHARED_TIERS:
        body.pop("service_tier", None)
    if caller.metadata_json:
        body["metadata"] = verbatim(caller.metadata_json, "caller.metadata_json")
