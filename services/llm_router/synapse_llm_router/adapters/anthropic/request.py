"""Canonical questions as requests of Anthropic's Messages.

| Anthropic member                                  | canonical place                                                |
|---------------------------------------------------|----------------------------------------------------------------|
| `model` `system` `messages`                       | `model` `messages` (turns.py)                                  |
| `max_tokens`                                      | `sampling.max_tokens`, else `.max_completion_tokens`           |
| `temperature` `top_p` `top_k`                     | `sampling`, same names                                         |
| `stop_sequences`                                  | `sampling.stop`                                                |
| `tools[].{name,description,input_schema,strict}`  | `tools[]` of type `function`: `parameters_json` is the schema  |
| any other tool                                    | `tools[].extra_json`, whole                                    |
| `tool_choice` auto, any, tool, none               | MODE_AUTO, MODE_REQUIRED, MODE_NAMED, MODE_NONE                |
| any other `tool_choice`                           | MODE_OTHER with `raw_json`                                     |
| `tool_choice.disable_parallel_tool_use`           | `parallel_tool_calls`, inverted                                |
| `thinking` `{type, budget_tokens}`                | `reasoning.enabled` `.budget_tokens`                           |
| other members and types of `thinking`             | `reasoning.extra_json`                                         |
| `output_config.effort`                            | `reasoning.effort`                                             |
| `output_config.format` `{type, schema}`           | `response_format.type`, `schema` inside `.json_schema_json`    |
| other members of the format                       | `response_format.extra_json`                                   |
| `metadata.user_id`, other members of `metadata`   | `caller.user`, `.metadata_json`                                |
| `service_tier`                                    | `caller.service_tier`                                          |
| header `anthropic-beta`                           | `betas`                                                        |
| `stream`                                          | nowhere: each hop decides for itself                           |
| everything else                                   | `extra_json`                                                   |

A question without a limit gets the backend's default. One that came in another protocol loses what only tunes
(`seed`, `min_p`, the penalties), what only labels (`metadata`, `store`, a cache key), and of a JSON schema its name,
description and `strict`; no effort (`none`) turns thinking off, `minimal` is `low`. Several choices, token
probabilities and biases, JSON without a schema, other outputs than text and plain completions are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, PROTOCOL_ANTHROPIC, ToolChoice
from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.anthropic.turns import put_conversation
from synapse_llm_router.adapters.members_json import JsonObject, adopt, schema_in, verbatim
from synapse_llm_router.adapters.target import Target
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import CallerInfo, GenerationRequest, Reasoning, ResponseFormat, Sampling, Tool

DEFAULT_MAX_TOKENS = 4096
"""Limit of the answer's tokens where neither the question nor the configuration has one; the protocol demands it."""
_MODES = {ToolChoice.MODE_AUTO: "auto", ToolChoice.MODE_NONE: "none", ToolChoice.MODE_REQUIRED: "any"}
_IDLE = frozenset({ToolChoice.MODE_UNSPECIFIED, ToolChoice.MODE_AUTO, ToolChoice.MODE_NONE})
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_KNOWN = frozenset({"max_tokens", "max_completion_tokens", *_SAMPLING, "stop"})
_EFFORTS = {"minimal": "low"}
_NOT_COUNTED = frozenset({"max_tokens", "stop_sequences", "metadata", "service_tier", "stream", *_SAMPLING})


def request_bytes(
    request: GenerationRequest,
    model: str,
    backend: str,
    *,
    stream: bool,
    default_max_tokens: int = DEFAULT_MAX_TOKENS,
) -> bytes:
    """The HTTP body that asks `request` of the upstream's `model`; raises InvalidArgument for what cannot be asked.

    `default_max_tokens` is the limit of an answer to a question without one, what it thinks by budget not counted.
    """
    body = request_body(request, model, backend)
    body.pop("stream", None)
    body.setdefault("max_tokens", default_max_tokens + request.reasoning.budget_tokens)
    if stream:
        body["stream"] = True
    return jsontext.encode(body)


def count_bytes(request: GenerationRequest, model: str, backend: str) -> bytes:
    """The HTTP body that asks how many tokens the prompt of `request` has; raises as `request_bytes`."""
    body = request_body(request, model, backend)
    return jsontext.encode({name: value for name, value in body.items() if name not in _NOT_COUNTED})


def headers_of(request: GenerationRequest) -> dict[str, str]:
    """The headers that say more about `request`."""
    if request.protocol != PROTOCOL_ANTHROPIC or not request.betas:
        return {}
    return {"anthropic-beta": ",".join(request.betas)}


def request_body(request: GenerationRequest, model: str, backend: str) -> JsonObject:
    """The members of the request, without the one about streaming, and without a limit where it tells none."""
    target = Target(backend, own=request.protocol == PROTOCOL_ANTHROPIC)
    _refuse_others(request, target)
    body: JsonObject = {"model": model}
    _put_limit(body, request.sampling)
    put_conversation(body, request.messages, target)
    _put_sampling(body, request.sampling)
    _put_tools(body, request, target)
    if request.HasField("reasoning"):
        _put_reasoning(body, request.reasoning, target)
    if request.HasField("response_format"):
        _put_format(body, request.response_format, target)
    _put_caller(body, request.caller, target)
    if target.own:
        adopt(body, request.extra_json, "extra_json")
    return body


def _refuse_others(request: GenerationRequest, target: Target) -> None:
    if request.kind == GENERATION_KIND_COMPLETION:
        raise target.lacks_parameter("prompt", "Anthropic's Messages answer conversations only")
    if not target.own:
        refusing.require_text_only(target, request)
    refusing.require_known(target, request.sampling, _KNOWN)


def _put_limit(body: JsonObject, sampling: Sampling) -> None:
    if sampling.HasField("max_tokens"):
        body["max_tokens"] = sampling.max_tokens
    elif sampling.HasField("max_completion_tokens"):
        body["max_tokens"] = sampling.max_completion_tokens


def _put_sampling(body: JsonObject, sampling: Sampling) -> None:
    for field, value in sampling.ListFields():
        if field.name in _SAMPLING:
            body[field.name] = value
        elif field.name == "stop":
            body["stop_sequences"] = list(value)


def _put_tools(body: JsonObject, request: GenerationRequest, target: Target) -> None:
    if request.tools:
        body["tools"] = [_tool(tool, target) for tool in request.tools]
    elif not target.own and request.tool_choice.mode in _IDLE:
        return  # it says how to choose among no tools
    choice = _choice(request.tool_choice, target)
    if request.HasField("parallel_tool_calls"):
        parallel = request.parallel_tool_calls
        if choice is None and not parallel:
            choice = {"type": "auto"}
        if isinstance(choice, dict) and (target.own or choice["type"] != "none"):
            choice["disable_parallel_tool_use"] = not parallel
    if choice is not None:
        body["tool_choice"] = choice


def _choice(choice: ToolChoice, target: Target) -> Any:
    if choice.mode in _MODES:
        return {"type": _MODES[choice.mode]}
    if choice.mode == ToolChoice.MODE_NAMED:
        return {"type": "tool", "name": choice.name}
    if choice.mode == ToolChoice.MODE_OTHER:
        if not target.own:
            raise target.lacks_parameter("tool_choice", "it is in the words of another protocol")
        return verbatim(choice.raw_json, "tool_choice.raw_json")
    return None


def _tool(tool: Tool, target: Target) -> Any:
    if tool.type != "function":
        if not target.own:
            raise target.lacks_parameter("tools", f"a tool of type {tool.type!r} belongs to another protocol")
        return verbatim(tool.extra_json or "{}", "tools.extra_json")
    body: JsonObject = {"name": tool.name}
    if tool.HasField("description"):
        body["description"] = tool.description
    if tool.parameters_json:
        body["input_schema"] = verbatim(tool.parameters_json, "tools.parameters_json")
    elif not target.own:
        body["input_schema"] = {"type": "object", "properties": {}}
    if tool.HasField("strict"):
        body["strict"] = tool.strict
    if target.own:
        adopt(body, tool.extra_json, "tools.extra_json")
    return body


def _put_reasoning(body: JsonObject, reasoning: Reasoning, target: Target) -> None:
    thinking: JsonObject = {}
    if reasoning.HasField("budget_tokens"):
        thinking["budget_tokens"] = reasoning.budget_tokens
    if reasoning.HasField("enabled"):
        unbound = not (target.own or thinking)
        thinking["type"] = ("adaptive" if unbound else "enabled") if reasoning.enabled else "disabled"
    if target.own:
        adopt(thinking, reasoning.extra_json, "reasoning.extra_json")
    elif reasoning.effort == "none":
        thinking["type"] = "disabled"
    if thinking:
        body["thinking"] = {"type": "enabled", **thinking}
    if reasoning.HasField("effort") and (target.own or reasoning.effort != "none"):
        effort = reasoning.effort
        body["output_config"] = {"effort": effort if target.own else _EFFORTS.get(effort, effort)}


def _put_format(body: JsonObject, form: ResponseFormat, target: Target) -> None:
    if form.type == "text" and not target.own:
        return
    if form.type != "json_schema" and not target.own:
        raise target.lacks_parameter(
            "response_format", f"Anthropic's Messages have no format {form.type!r}: give a JSON schema"
        )
    wanted: JsonObject = {"type": form.type}
    if form.json_schema_json:
        wanted["schema"] = schema_in(form.json_schema_json)
    if target.own:
        adopt(wanted, form.extra_json, "response_format.extra_json")
    body.setdefault("output_config", {})["format"] = wanted


def _put_caller(body: JsonObject, caller: CallerInfo, target: Target) -> None:
    metadata: JsonObject = {}
    if caller.HasField("user") or caller.HasField("safety_identifier"):
        metadata["user_id"] = caller.user if caller.HasField("user") else caller.safety_identifier
    if target.own:
        adopt(metadata, caller.metadata_json, "caller.metadata_json")
    if metadata:
        body["metadata"] = metadata
    if caller.HasField("service_tier") and (target.own or caller.service_tier == "auto"):
        body["service_tier"] = caller.service_tier
