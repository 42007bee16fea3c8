"""Tools, their choice and the form of the answer: the flat forms of the responses protocol to the canonical form.

| member                                          | canonical                                                   |
|-------------------------------------------------|-------------------------------------------------------------|
| `tools[]` of type "function"                    | `tools[]`: name, description, parameters, strict            |
| `tools[]` of type "custom"                      | `tools[]`, whole in `extra_json` in the form that chat has  |
| any other tool                                  | refused: it runs at a provider                              |
| `tool_choice` "auto" "none" "required"          | `tool_choice.mode`                                          |
| `tool_choice` {type: "function", name}          | MODE_NAMED                                                  |
| `tool_choice` of type "custom", "allowed_tools" | MODE_OTHER in the form that chat has                        |
| `text.format` other than "text", the usual one  | `response_format`                                           |
| `text.verbosity`                                | `verbosity` in `extra_json`, as in chat                     |
"""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import request_pb2
from synapse_gateway.openai.content import required_text, take_text, tool_kind
from synapse_gateway.problems import Problem, invalid, missing, wrong_type
from synapse_runtime import jsontext

_OURS = ("function", "custom")
"""Kinds of tools that run at the caller."""
_MODES = {
    "auto": request_pb2.ToolChoice.MODE_AUTO,
    "none": request_pb2.ToolChoice.MODE_NONE,
    "required": request_pb2.ToolChoice.MODE_REQUIRED,
}


def read_tools(value: Any, request: request_pb2.GenerationRequest) -> None:
    """Lay `tools` into a request; raises Problem 400."""
    if not isinstance(value, list):
        raise wrong_type("tools", "an array", value)
    for number, tool in enumerate(value):
        where = f"tools[{number}]"
        kind = tool_kind(tool, where)
        if kind not in _OURS:
            raise _runs_elsewhere(kind, f"{where}.type")
        rest = {name: member for name, member in tool.items() if name != "type" and member is not None}
        if kind == "function":
            _function(request.tools.add(type=kind), rest, where)
        else:
            request.tools.add(type=kind, extra_json=jsontext.dump({"type": kind, "custom": _custom(rest, where)}))


def _runs_elsewhere(kind: str, where: str) -> Problem:
    message = (
        f"Tools of type '{kind}' are not supported: they run at a provider. Supported are 'function' and 'custom'."
    )
    return invalid(message, where, "unsupported_value")


def _function(made: request_pb2.Tool, rest: dict[str, Any], where: str) -> None:
    made.name = required_text(rest, "name", where)
    del rest["name"]
    if (description := take_text(rest, "description", where)) is not None:
        made.description = description
    parameters, strict = rest.pop("parameters", None), rest.pop("strict", None)
    if parameters is not None:
        if not isinstance(parameters, dict):
            raise wrong_type(f"{where}.parameters", "an object", parameters)
        made.parameters_json = jsontext.dump(parameters)
    if strict is not None:
        if not isinstance(strict, bool):
            raise wrong_type(f"{where}.strict", "a boolean", strict)
        made.strict = strict
    if rest:
        made.extra_json = jsontext.dump({"function": rest})


def _custom(rest: dict[str, Any], where: str) -> dict[str, Any]:
    """A custom tool as chat has it: the grammar of its input is one level deeper there."""
    required_text(rest, "name", where)
    form = rest.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar":
        grammar = {name: member for name, member in form.items() if name != "type"}
        return {**rest, "format": {"type": "grammar", "grammar": grammar}}
    return rest


def read_tool_choice(value: Any, choice: request_pb2.ToolChoice) -> None:
    """Lay `tool_choice` into a request's; raises Problem 400."""
    if isinstance(value, str):
        if value not in _MODES:
            message = f"Invalid value: '{value}'. Supported values are: 'none', 'auto', and 'required'."
            raise invalid(message, "tool_choice", "invalid_value")
        choice.mode = _MODES[value]
        return
    if not isinstance(value, dict):
        raise wrong_type("tool_choice", "a string or an object", value)
    kind = required_text(value, "type", "tool_choice")
    if kind == "function" and value.keys() == {"type", "name"}:
        choice.mode = request_pb2.ToolChoice.MODE_NAMED
        choice.name = required_text(value, "name", "tool_choice")
        return
    choice.mode = request_pb2.ToolChoice.MODE_OTHER
    choice.raw_json = jsontext.dump(_chat_choice(value, kind))


def _chat_choice(value: dict[str, Any], kind: str) -> dict[str, Any]:
    """A choice in the form that chat has."""
    if kind != "allowed_tools":
        return _named(value, "tool_choice")
    rest = {name: member for name, member in value.items() if name != "type"}
    tools = rest.get("tools")
    if not isinstance(tools, list):
        raise wrong_type("tool_choice.tools", "an array", tools)
    named = [_named(tool, f"tool_choice.tools[{number}]") for number, tool in enumerate(tools)]
    return {"type": kind, kind: {**rest, "tools": named}}


def _named(value: Any, where: str) -> dict[str, Any]:
    """A tool by its name, in the form that chat has."""
    kind = tool_kind(value, where)
    if kind not in _OURS:
        raise _runs_elsewhere(kind, f"{where}.type")
    required_text(value, "name", where)
    return {"type": kind, kind: {name: member for name, member in value.items() if name != "type"}}


def read_text(value: Any, request: request_pb2.GenerationRequest) -> dict[str, Any]:
    """Lay `text` into a request; the members of its level that stay without a field. Raises Problem 400."""
    if not isinstance(value, dict):
        raise wrong_type("text", "an object", value)
    rest = {name: member for name, member in value.items() if member is not None}
    form, verbosity = rest.pop("format", None), take_text(rest, "verbosity", "text")
    if form is not None and tool_kind(form, "text.format") != "text":
        _format({name: member for name, member in form.items() if member is not None}, request.response_format)
    extra = {"text": rest} if rest else {}
    return extra if verbosity is None else {"verbosity": verbosity, **extra}


def _format(form: dict[str, Any], made: request_pb2.ResponseFormat) -> None:
    made.type = form.pop("type")
    if made.type == "json_schema":
        required_text(form, "name", "text.format")
        schema = form.get("schema")
        if schema is None:
            raise missing("text.format.schema")
        if not isinstance(schema, dict):
            raise wrong_type("text.format.schema", "an object", schema)
        made.json_schema_json = jsontext.dump(form)
    elif form:
        made.extra_json = jsontext.dump(form)
