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

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, PROTOCOL_OPENAI, ToolChoice
from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.members_json import JsonObject, adopt, parse_object, text_of, verbatim
from synapse_llm_router.adapters.ollama.messages import MessageWriter
from synapse_runtime import jsontext
from synapse_runtime.errors import InvalidArgument

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


def is_completion(request: GenerationRequest) -> bool:
    """Whether `request` is a plain completion."""
    return request.kind == GENERATION_KIND_COMPLETION


def request_bytes(request: GenerationRequest, model: str, backend: str, *, stream: bool) -> bytes:
    """The HTTP body that asks `request` of `model`; raises InvalidArgument for what Ollama cannot do."""
    body: JsonObject = {"model": model}
    if is_completion(request):
        body.update(_prompt(request.prompt, backend))
    else:
        body["messages"] = MessageWriter(backend).write(request.messages)
    body["stream"] = stream
    if tools := _tools(request, backend):
        body["tools"] = tools
    _put_sampling(body, request, backend)
    form = _format(request.response_format, backend)
    if form is not None:
        body["format"] = form
    think = _think(request.reasoning, backend)
    if think is not None:
        body["think"] = think
    if set(request.modalities) - {"text"}:
        raise refusing.parameter(backend, "modalities", "it answers in text only")
    if request.protocol == PROTOCOL_OPENAI and request.extra_json:
        _put_extras(body, request.extra_json)
    return jsontext.encode(body)


def _prompt(prompt: CompletionPrompt, backend: str) -> JsonObject:
    if prompt.token_ids or len(prompt.texts) != 1:
        raise refusing.content(backend, "prompt", "it takes one text")
    if prompt.echo:
        raise refusing.parameter(backend, "echo")
    if prompt.suffix:
        return {"prompt": prompt.texts[0], "suffix": prompt.suffix}
    return {"prompt": prompt.texts[0], "raw": True}


def _tools(request: GenerationRequest, backend: str) -> list[JsonObject]:
    if request.HasField("parallel_tool_calls") and not request.parallel_tool_calls:
        raise refusing.parameter(backend, "parallel_tool_calls")
    match request.tool_choice.mode:
        case ToolChoice.MODE_NONE:
            return []
        case ToolChoice.MODE_UNSPECIFIED | ToolChoice.MODE_AUTO:
            return [_tool(tool, backend) for tool in request.tools]
        case _:
            raise refusing.parameter(backend, "tool_choice", "the model alone decides which tools it calls")


def _tool(tool: Tool, backend: str) -> JsonObject:
    if tool.type != "function":
        raise refusing.content(backend, f"a tool of type {tool.type or 'unknown'}")
    function: JsonObject = {"name": tool.name}
    if tool.HasField("description"):
        function["description"] = tool.description
    text = tool.parameters_json
    function["parameters"] = verbatim(text, "tools.parameters_json") if text else _NO_PARAMETERS
    return {"type": "function", "function": function}


def _put_sampling(body: JsonObject, request: GenerationRequest, backend: str) -> None:
    sampling = request.sampling
    refusing.require_known(backend, sampling, _KNOWN)
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


def _format(form: ResponseFormat, backend: str) -> Any:
    match form.type:
        case "" | "text":
            return None
        case "json_object":
            return "json"
        case "json_schema":
            schema = parse_object(form.json_schema_json, "response_format.json_schema_json").get("schema")
            if not isinstance(schema, dict):
                field = "response_format.json_schema.schema"
                raise InvalidArgument(f"{field} must be a JSON object", metadata={"field": field})
            return schema
        case _:
            raise refusing.parameter(backend, f"response_format of type {form.type}")


def _think(reasoning: Reasoning, backend: str) -> bool | str | None:
    if reasoning.HasField("enabled") and not reasoning.enabled:
        return False
    if not reasoning.HasField("effort"):
        return True if reasoning.enabled else None
    if reasoning.effort == "none":
        return False
    if reasoning.effort not in _LEVELS:
        raise refusing.parameter(backend, f"a reasoning effort of {reasoning.effort!r}")
    return _LEVELS[reasoning.effort]


def _put_extras(body: JsonObject, extra_json: str) -> None:
    extras = parse_object(extra_json, "extra_json")
    known = {name: extras[name] for name in _EXTRAS if name in extras}
    if known:
        adopt(body, text_of(known), "extra_json")
