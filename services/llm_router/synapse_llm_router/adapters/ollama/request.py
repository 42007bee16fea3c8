"""Canonical questions as requests to Ollama's /api/chat, and plain completions to /api/generate.

| Ollama member                                | canonical place                                                 |
|----------------------------------------------|-----------------------------------------------------------------|
| `model` `messages`                           | `model`, `messages` (messages.py)                               |
| `prompt` with `raw`                          | `prompt.texts`, one; continued as it is, without a template     |
| `prompt` `suffix`                            | the same with a suffix, which only the model's template knows   |
| `stream`                                     | always said, for it is on by default                            |
| `tools[]`                                    | `tools` of type function; none with MODE_NONE                   |
| `options.num_predict`                        | `sampling.max_completion_tokens`, else `.max_tokens`            |
| `options.stop` `.seed` `.temperature`        | `sampling`, same names                                          |
| `options.top_k` `.top_p` `.min_p`            | `sampling`, same names                                          |
| `options.presence_penalty`, `.frequency_…`   | `sampling`, same names                                          |
| `format` "json" / a schema                   | `response_format` json_object / the `schema` of json_schema     |
| `think` a level                              | `reasoning.effort`: minimal is low, xhigh is max                |
| `think` true / false                         | `reasoning.enabled`, or effort "none"                           |
| `logprobs` `top_logprobs`                    | `sampling`, same names                                          |
| `options` `keep_alive` `think`               | members of `extra_json` of these names, for what is not set     |

Refused: several choices or prompts, token ids, echo, logit_bias, best_of, a choice of tools other than auto and none,
`parallel_tool_calls` false, tools that are no functions, other forms of answers and other modalities. Left out:
`reasoning.budget_tokens`, `strict` of tools, what is told of the caller, other extra members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synapse.llm.v1.request_pb2 import PROTOCOL_OPENAI, ToolChoice
from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.members_json import JsonObject, adopt, parse_object, schema_in, text_of, verbatim
from synapse_llm_router.adapters.ollama.messages import MessageWriter
from synapse_llm_router.adapters.prompts import is_completion, one_text
from synapse_llm_router.adapters.target import Target
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import (
        CompletionPrompt,
        GenerationRequest,
        Reasoning,
        ResponseFormat,
        Sampling,
        Tool,
    )

_OPTIONS = ("temperature", "top_k", "top_p", "min_p", "seed", "presence_penalty", "frequency_penalty")
_KNOWN = frozenset({*_OPTIONS, "stop", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"})
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}
_EXTRAS = ("options", "keep_alive", "think")
_NO_PARAMETERS: JsonObject = {"type": "object", "properties": {}}


def request_bytes(request: GenerationRequest, model: str, backend: str, *, stream: bool) -> bytes:
    """The HTTP body that asks `request` of `model`; raises InvalidArgument for what Ollama cannot do."""
    target = Target(backend, own=False)
    refusing.require_text_only(target, request)
    body: JsonObject = {"model": model}
    if is_completion(request):
        body.update(_prompt(request.prompt, target))
    else:
        body["messages"] = MessageWriter(target).write(request.messages)
    body["stream"] = stream
    if tools := _tools(request, target):
        body["tools"] = tools
    _put_sampling(body, request, target)
    form = _format(request.response_format, target)
    if form is not None:
        body["format"] = form
    think = _think(request.reasoning, target)
    if think is not None:
        body["think"] = think
    if request.protocol == PROTOCOL_OPENAI and request.extra_json:
        _put_extras(body, request.extra_json)
    return jsontext.encode(body)


def _prompt(prompt: CompletionPrompt, target: Target) -> JsonObject:
    text = one_text(prompt, target)
    if prompt.suffix:
        return {"prompt": text, "suffix": prompt.suffix}
    return {"prompt": text, "raw": True}


def _tools(request: GenerationRequest, target: Target) -> list[JsonObject]:
    if request.HasField("parallel_tool_calls") and not request.parallel_tool_calls:
        raise target.lacks_parameter("parallel_tool_calls", "the model alone decides how many tools it calls")
    match request.tool_choice.mode:
        case ToolChoice.MODE_NONE:
            return []
        case ToolChoice.MODE_UNSPECIFIED | ToolChoice.MODE_AUTO:
            return [_tool(tool, target, f"tools[{number}]") for number, tool in enumerate(request.tools)]
        case _:
            raise target.lacks_parameter("tool_choice", "the model alone decides which tools it calls")


def _tool(tool: Tool, target: Target, where: str) -> JsonObject:
    if tool.type != "function":
        raise target.lacks_content(where, f"it knows no tools of type {tool.type!r}")
    function: JsonObject = {"name": tool.name}
    if tool.HasField("description"):
        function["description"] = tool.description
    text = tool.parameters_json
    function["parameters"] = verbatim(text, f"{where}.parameters") if text else _NO_PARAMETERS
    return {"type": "function", "function": function}


def _put_sampling(body: JsonObject, request: GenerationRequest, target: Target) -> None:
    sampling = request.sampling
    refusing.require_known(target, sampling, _KNOWN)
    if options := _options(sampling):
        body["options"] = options
    counted = sampling.HasField("top_logprobs")
    if sampling.logprobs or (counted and is_completion(request)):
        body["logprobs"] = True
        if counted:
            body["top_logprobs"] = sampling.top_logprobs


def _options(sampling: Sampling) -> JsonObject:
    options: JsonObject = {field.name: value for field, value in sampling.ListFields() if field.name in _OPTIONS}
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    if sampling.HasField("max_completion_tokens"):
        options["num_predict"] = sampling.max_completion_tokens
    elif sampling.HasField("max_tokens"):
        options["num_predict"] = sampling.max_tokens
    return options


def _format(form: ResponseFormat, target: Target) -> Any:
    match form.type:
        case "" | "text":
            return None
        case "json_object":
            return "json"
        case "json_schema":
            return schema_in(form.json_schema_json)
        case _:
            raise target.lacks_parameter("response_format", f"it knows no type {form.type!r}")


def _think(reasoning: Reasoning, target: Target) -> bool | str | None:
    if reasoning.HasField("enabled") and not reasoning.enabled:
        return False
    if not reasoning.HasField("effort"):
        return True if reasoning.enabled else None
    if reasoning.effort == "none":
        return False
    if reasoning.effort not in _LEVELS:
        raise target.lacks_parameter("reasoning_effort", f"it knows no effort {reasoning.effort!r}")
    return _LEVELS[reasoning.effort]


def _put_extras(body: JsonObject, extra_json: str) -> None:
    extras = parse_object(extra_json, "extra_json")
    known = {name: extras[name] for name in _EXTRAS if name in extras}
    if known:
        adopt(body, text_of(known), "extra_json")
