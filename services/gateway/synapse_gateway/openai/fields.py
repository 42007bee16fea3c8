"""The members of OpenAI's requests that have a field in the canonical form: one table, one setter each.

A setter returns False when the field cannot hold the value exactly; the value is then kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from synapse.llm.v1 import request_pb2
from synapse_gateway.openai.content import keep_rest_of_function, tool_kind
from synapse_gateway.problems import invalid, missing, wrong_type
from synapse_runtime import jsontext

Request: TypeAlias = request_pb2.GenerationRequest
Setter: TypeAlias = Callable[[Request, Any, str], bool]
_INT64 = range(-(2**63), 2**63)
_UINT32 = range(2**32)
_COUNTS = range(1, 129)
_MODES = {
    "auto": request_pb2.ToolChoice.MODE_AUTO,
    "none": request_pb2.ToolChoice.MODE_NONE,
    "required": request_pb2.ToolChoice.MODE_REQUIRED,
}


def _number(field: str) -> Setter:
    def put(request: Request, value: Any, name: str) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise wrong_type(name, "a number", value)
        try:
            setattr(request.sampling, field, float(value))
        except OverflowError as error:
            raise invalid(f"'{name}' is out of range.", name) from error
        return True

    return put


def _integer(field: str, allowed: range = _INT64) -> Setter:
    def put(request: Request, value: Any, name: str) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong_type(name, "an integer", value)
        if value < allowed.start:
            raise invalid(
                f"Invalid '{name}': expected a value >= {allowed.start}, got {value}.", name, "integer_below_min_value"
            )
        if value >= allowed.stop:
            message = f"Invalid '{name}': expected a value <= {allowed.stop - 1}, got {value}."
            raise invalid(message, name, "integer_above_max_value")
        setattr(request.sampling, field, value)
        return True

    return put


def _boolean(place: Callable[[Request], Any], field: str) -> Setter:
    def put(request: Request, value: Any, name: str) -> bool:
        if not isinstance(value, bool):
            raise wrong_type(name, "a boolean", value)
        setattr(place(request), field, value)
        return True

    return put


def _text(place: Callable[[Request], Any], field: str) -> Setter:
    def put(request: Request, value: Any, name: str) -> bool:
        if not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        setattr(place(request), field, value)
        return True

    return put


def _json_object(place: Callable[[Request], Any], field: str) -> Setter:
    def put(request: Request, value: Any, name: str) -> bool:
        if not isinstance(value, dict):
            raise wrong_type(name, "an object", value)
        setattr(place(request), field, jsontext.dump(value))
        return True

    return put


def _stop(request: Request, value: Any, name: str) -> bool:
    if isinstance(value, str):
        request.sampling.stop.append(value)
        request.sampling.stop_is_text = True
        return True
    _require_texts(value, name)
    request.sampling.stop.extend(value)
    return bool(value)


def _modalities(request: Request, value: Any, name: str) -> bool:
    _require_texts(value, name)
    request.modalities.extend(value)
    return bool(value)


def _require_texts(value: Any, name: str) -> None:
    if not isinstance(value, list):
        raise wrong_type(name, "an array of strings", value)
    for number, item in enumerate(value):
        if not isinstance(item, str):
            raise wrong_type(f"{name}[{number}]", "a string", item)


def _tools(request: Request, value: Any, name: str) -> bool:
    if not isinstance(value, list):
        raise wrong_type(name, "an array", value)
    for number, tool in enumerate(value):
        _tool(request.tools.add(), tool, f"{name}[{number}]")
    return bool(value)


def _tool(made: request_pb2.Tool, value: Any, where: str) -> None:
    """A tool; what its function holds besides the known stays under `function` in `extra_json`."""
    made.type = tool_kind(value, where)
    if made.type != "function":
        made.extra_json = jsontext.dump(value)
        return
    function = value.get("function")
    if function is None:
        raise missing(f"{where}.function")
    if not isinstance(function, dict):
        raise wrong_type(f"{where}.function", "an object", function)
    known = ["name"]
    made.name = _member(function, "name", str, f"{where}.function", required=True)
    for field, kind in (("description", str), ("strict", bool)):
        if (member := _member(function, field, kind, f"{where}.function")) is not None:
            setattr(made, field, member)
        known.append(field)
    if isinstance(parameters := function.get("parameters"), dict):
        made.parameters_json = jsontext.dump(parameters)
        known.append("parameters")
    elif parameters is not None:
        raise wrong_type(f"{where}.function.parameters", "an object", parameters)
    rest = {member: content for member, content in value.items() if member != "type"}
    keep_rest_of_function(rest, function, known=tuple(known))
    if rest:
        made.extra_json = jsontext.dump(rest)


def _member(value: dict[str, Any], name: str, kind: type, where: str, *, required: bool = False) -> Any:
    member = value.get(name)
    if member is None and required:
        raise missing(f"{where}.{name}")
    if member is not None and not isinstance(member, kind):
        raise wrong_type(f"{where}.{name}", "a string" if kind is str else "a boolean", member)
    return member


def _tool_choice(request: Request, value: Any, name: str) -> bool:
    choice = request.tool_choice
    function = value.get("function") if isinstance(value, dict) and value.keys() == {"type", "function"} else None
    if isinstance(value, str) and value in _MODES:
        choice.mode = _MODES[value]
    elif value == {"type": "function", "function": function} and isinstance(function, dict) and _is_named(function):
        choice.mode = request_pb2.ToolChoice.MODE_NAMED
        choice.name = function["name"]
    elif isinstance(value, dict | str):
        choice.mode = request_pb2.ToolChoice.MODE_OTHER
        choice.raw_json = jsontext.dump(value)
    else:
        raise wrong_type(name, "a string or an object", value)
    return True


def _is_named(function: dict[str, Any]) -> bool:
    return function.keys() == {"name"} and isinstance(function["name"], str)


def _response_format(request: Request, value: Any, name: str) -> bool:
    form = request.response_format
    form.type = tool_kind(value, name)
    rest = {member: content for member, content in value.items() if member != "type"}
    if form.type == "json_schema":
        schema = rest.pop("json_schema", None)
        if schema is None:
            raise missing(f"{name}.json_schema")
        if not isinstance(schema, dict):
            raise wrong_type(f"{name}.json_schema", "an object", schema)
        form.json_schema_json = jsontext.dump(schema)
    if rest:
        form.extra_json = jsontext.dump(rest)
    return True


def _caller(request: Request) -> Any:
    return request.caller


_SHARED: dict[str, Setter] = {
    "temperature": _number("temperature"),
    "top_p": _number("top_p"),
    "min_p": _number("min_p"),
    "presence_penalty": _number("presence_penalty"),
    "frequency_penalty": _number("frequency_penalty"),
    "top_k": _integer("top_k"),
    "seed": _integer("seed"),
    "max_tokens": _integer("max_tokens"),
    "n": _integer("choice_count", _COUNTS),
    "stop": _stop,
    "logit_bias": _json_object(lambda request: request.sampling, "logit_bias_json"),
    "user": _text(_caller, "user"),
    "safety_identifier": _text(_caller, "safety_identifier"),
    "metadata": _json_object(_caller, "metadata_json"),
    "store": _boolean(_caller, "store"),
    "service_tier": _text(_caller, "service_tier"),
    "prompt_cache_key": _text(_caller, "prompt_cache_key"),
}
_CHAT: dict[str, Setter] = {
    **_SHARED,
    "max_completion_tokens": _integer("max_completion_tokens"),
    "logprobs": _boolean(lambda request: request.sampling, "logprobs"),
    "top_logprobs": _integer("top_logprobs", _UINT32),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean(lambda request: request, "parallel_tool_calls"),
    "response_format": _response_format,
    "reasoning_effort": _text(lambda request: request.reasoning, "effort"),
    "modalities": _modalities,
}
_COMPLETION: dict[str, Setter] = {
    **_SHARED,
    "logprobs": _integer("top_logprobs", _UINT32),
    "best_of": _integer("best_of", _UINT32),
    "suffix": _text(lambda request: request.prompt, "suffix"),
    "echo": _boolean(lambda request: request.prompt, "echo"),
}
FIELDS: dict[int, dict[str, Setter]] = {
    request_pb2.GENERATION_KIND_CHAT: _CHAT,
    request_pb2.GENERATION_KIND_COMPLETION: _COMPLETION,
}
