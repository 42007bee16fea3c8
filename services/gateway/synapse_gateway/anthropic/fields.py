"""The members of Anthropic's requests that have a field in the canonical form: one table, one setter each.

A setter returns what the field cannot hold, which is then kept under the member's name; None when it held everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from synapse.llm.v1 import request_pb2
from synapse_gateway.anthropic.checks import array, boolean, integer, mapping, need, number, take, text, texts
from synapse_gateway.anthropic.turns import system
from synapse_runtime import jsontext

Request: TypeAlias = request_pb2.GenerationRequest
Setter: TypeAlias = Callable[[Request, Any, str], Any]
_ToolChoice = request_pb2.ToolChoice
_MODES = {"auto": _ToolChoice.MODE_AUTO, "any": _ToolChoice.MODE_REQUIRED, "none": _ToolChoice.MODE_NONE}


def _sampling(field: str, check: Callable[[Any, str], Any]) -> Setter:
    def put(request: Request, value: Any, where: str) -> None:
        setattr(request.sampling, field, check(value, where))

    return put


def _stop(request: Request, value: Any, where: str) -> Any:
    request.sampling.stop.extend(texts(value, where))
    return None if value else value


def _system(request: Request, value: Any, _where: str) -> Any:
    message = system(value)
    if message is None:
        return value
    request.messages.insert(0, message)
    return None


def _tools(request: Request, value: Any, where: str) -> Any:
    for position, tool in enumerate(array(value, where)):
        _tool(request.tools.add(), tool, f"{where}.{position}")
    return None if value else value


def _tool(made: request_pb2.Tool, value: Any, where: str) -> None:
    """A tool of the client's is a function; one of Anthropic's own is kept whole."""
    rest = mapping(value, where)
    kind = take(rest, "type", text, where)
    if kind not in {None, "custom"}:
        made.type, made.extra_json = kind or "", jsontext.dump(value)
        return
    where = f"{where}.custom"
    made.type = "function"
    made.name = need(rest, "name", text, where)
    made.parameters_json = jsontext.dump(need(rest, "input_schema", mapping, where))
    if (description := take(rest, "description", text, where)) is not None:
        made.description = description
    if (strict := take(rest, "strict", boolean, where)) is not None:
        made.strict = strict
    if rest := {name: member for name, member in rest.items() if member is not None}:
        made.extra_json = jsontext.dump(rest)


def _tool_choice(request: Request, value: Any, where: str) -> None:
    rest = mapping(value, where)
    kind = need(rest, "type", text, where)
    single = take(rest, "disable_parallel_tool_use", boolean, f"{where}.{kind}")
    if kind == "tool":
        made = _ToolChoice(mode=_ToolChoice.MODE_NAMED, name=need(rest, "name", text, f"{where}.{kind}"))
    elif kind in _MODES:
        made = _ToolChoice(mode=_MODES[kind])
    else:
        made = _ToolChoice()
    if rest or not made.mode:
        made = _ToolChoice(mode=_ToolChoice.MODE_OTHER, raw_json=jsontext.dump(value))
    elif single is not None:
        request.parallel_tool_calls = not single
    request.tool_choice.CopyFrom(made)


def _thinking(request: Request, value: Any, where: str) -> None:
    """Whether and how much to think; a type other than on and off is kept with the members without a field."""
    rest = mapping(value, where)
    kind = need(rest, "type", text, where)
    reasoning = request.reasoning
    if kind in {"enabled", "disabled"}:
        reasoning.enabled = kind == "enabled"
    else:
        rest["type"] = kind
    if (budget := take(rest, "budget_tokens", integer, f"{where}.{kind}")) is not None:
        reasoning.budget_tokens = budget
    if rest:
        reasoning.extra_json = jsontext.dump(rest)


def _output_config(request: Request, value: Any, where: str) -> Any:
    rest = mapping(value, where)
    if (effort := take(rest, "effort", text, where)) is not None:
        request.reasoning.effort = effort
    if (form := take(rest, "format", mapping, where)) is not None:
        _output_format(request.response_format, form, f"{where}.format")
    return rest or (None if value else value)


def _output_format(made: request_pb2.ResponseFormat, form: dict[str, Any], where: str) -> None:
    """The form of the answer; a schema lies where OpenAI's `json_schema` has it."""
    made.type = need(form, "type", text, where)
    if made.type == "json_schema":
        made.json_schema_json = jsontext.dump({"schema": need(form, "schema", mapping, where)})
    if form:
        made.extra_json = jsontext.dump(form)


def _metadata(request: Request, value: Any, where: str) -> None:
    rest = mapping(value, where)
    if (user := take(rest, "user_id", text, where)) is not None:
        request.caller.user = user
    if rest:
        request.caller.metadata_json = jsontext.dump(rest)


def _service_tier(request: Request, value: Any, where: str) -> None:
    request.caller.service_tier = text(value, where)


FIELDS: dict[str, Setter] = {
    "max_tokens": _sampling("max_tokens", integer),
    "temperature": _sampling("temperature", number),
    "top_p": _sampling("top_p", number),
    "top_k": _sampling("top_k", integer),
    "stop_sequences": _stop,
    "system": _system,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "metadata": _metadata,
    "service_tier": _service_tier,
}
