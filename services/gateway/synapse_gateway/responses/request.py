"""The responses protocol's requests to the canonical form: an equal conversation in chat is the same question.

| member                                                   | canonical                                              |
|----------------------------------------------------------|--------------------------------------------------------|
| `instructions`                                           | a first message, role `system`                         |
| `input`                                                  | `messages` (items.py)                                  |
| `max_output_tokens`                                      | `sampling.max_completion_tokens`                       |
| `tools` `tool_choice` `text`                             | tools.py                                               |
| `reasoning.effort`                                       | `reasoning.effort`                                     |
| `include` "message.output_text.logprobs", `top_logprobs` | `sampling.logprobs` `.top_logprobs`                    |
| members that chat has under the same name                | as in chat                                             |
| `stream` `stream_options` `truncation` `max_tool_calls`, | nowhere: they change nothing that is asked of a model  |
| `reasoning.summary`, other values of `include`           |                                                        |
| what needs a state or a provider's own tools             | refused                                                |
| everything else                                          | `extra_json`                                           |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from synapse.llm.v1 import request_pb2
from synapse_gateway.body import read_object
from synapse_gateway.dialect import Asked
from synapse_gateway.openai.content import required_text, take_text
from synapse_gateway.openai.fields import FIELDS
from synapse_gateway.problems import invalid, wrong_type
from synapse_gateway.responses.echo import echo
from synapse_gateway.responses.items import read_input
from synapse_gateway.responses.tools import read_text, read_tool_choice, read_tools
from synapse_runtime import jsontext

Request: TypeAlias = request_pb2.GenerationRequest
_LOGPROBS = "message.output_text.logprobs"
_INCLUDABLE = (
    _LOGPROBS,
    "reasoning.encrypted_content",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
)
_STATEFUL = {
    "previous_response_id": "send the whole conversation in 'input'",
    "conversation": "send the whole conversation in 'input'",
    "background": "ask with 'stream' and keep the connection",
    "prompt": "send what the template says in 'instructions' and 'input'",
    "context_management": "shorten 'input' before it is sent",
    "moderation": "ask a model for it in a request of its own",
}
_MOVED = {
    "messages": "input",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning_effort": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "functions": "tools",
    "function_call": "tool_choice",
}
_CHAT = FIELDS[request_pb2.GENERATION_KIND_CHAT]


def read_response(raw: bytes, _headers: Mapping[bytes, bytes]) -> Asked:
    """The body of a request for a response; raises Problem 400."""
    body = {name: value for name, value in read_object(raw).items() if value is not None}
    request = request_pb2.GenerationRequest(
        model=required_text(body, "model", ""),
        kind=request_pb2.GENERATION_KIND_CHAT,
        protocol=request_pb2.PROTOCOL_OPENAI,
    )
    if not request.model:
        raise invalid("'model' must not be empty.", "model")
    _refuse(body)
    stream = _flag(body, "stream")
    _stream_options(body, stream=stream)
    tell_outcome = _flag(body, "synapse_metadata")
    _conversation(body, request)
    _settings(body, request)
    return Asked(request, stream=stream, tell_outcome=tell_outcome, echo=echo(body))


def _refuse(body: dict[str, Any]) -> None:
    for name, instead in _STATEFUL.items():
        if name in body and body[name] is not False:
            message = f"'{name}' is not supported: nothing is kept between two calls. Instead, {instead}."
            raise invalid(message, name, "unsupported_parameter")
    for name, place in _MOVED.items():
        if name in body:
            message = f"Unsupported parameter: '{name}'. In the responses protocol its place is '{place}'."
            raise invalid(message, name, "unsupported_parameter")
    if body.get("n", 1) != 1:
        raise invalid("A response has one answer: 'n' is not supported.", "n", "unsupported_parameter")


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if isinstance(value, bool):
        return value
    raise wrong_type(name, "a boolean", value)


def _stream_options(body: dict[str, Any], *, stream: bool) -> None:
    options = body.get("stream_options")
    if options is None:
        return
    if not isinstance(options, dict):
        raise wrong_type("stream_options", "an object", options)
    if not stream:
        raise invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options")
    if not isinstance(options.get("include_obfuscation", False), bool):
        raise wrong_type("stream_options.include_obfuscation", "a boolean", options["include_obfuscation"])


def _conversation(body: dict[str, Any], request: Request) -> None:
    instructions = body.get("instructions", "")
    if not isinstance(instructions, str):
        raise wrong_type("instructions", "a string", instructions)
    if instructions:
        request.messages.add(role="system", text=instructions)
    read_input(body.get("input"), request.messages)


def _settings(body: dict[str, Any], request: Request) -> None:
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if (own := _OWN.get(name)) is not None:
            extra |= own(value, request) or {}
        elif name not in _READ and ((put := _CHAT.get(name)) is None or not put(request, value, name)):
            extra[name] = value
    if extra:
        request.extra_json = jsontext.dump(extra)


def _max_output_tokens(value: Any, request: Request) -> None:
    _CHAT["max_completion_tokens"](request, value, "max_output_tokens")


def _tool_choice(value: Any, request: Request) -> None:
    read_tool_choice(value, request.tool_choice)


def _reasoning(value: Any, request: Request) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_type("reasoning", "an object", value)
    rest = {name: member for name, member in value.items() if member is not None}
    for name in ("summary", "generate_summary"):
        take_text(rest, name, "reasoning")
    if (effort := take_text(rest, "effort", "reasoning")) is not None:
        request.reasoning.effort = effort
    return {"reasoning": rest} if rest else {}


def _include(value: Any, request: Request) -> None:
    if not isinstance(value, list):
        raise wrong_type("include", "an array of strings", value)
    for number, name in enumerate(value):
        if name not in _INCLUDABLE:
            raise invalid(f"Invalid value: '{name}' cannot be included.", f"include[{number}]", "invalid_value")
    if _LOGPROBS in value:
        request.sampling.logprobs = True


def _top_logprobs(value: Any, request: Request) -> None:
    """How many likely tokens are told; a number other than 0, the usual, asks for probabilities by itself."""
    if value != 0 or isinstance(value, bool):
        _CHAT["top_logprobs"](request, value, "top_logprobs")
        request.sampling.logprobs = True


def _truncation(value: Any, _request: Request) -> None:
    if value not in ("auto", "disabled"):
        raise invalid("'truncation' must be 'auto' or 'disabled'.", "truncation", "invalid_value")


def _max_tool_calls(value: Any, _request: Request) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type("max_tool_calls", "an integer", value)


_OWN: dict[str, Callable[[Any, Request], dict[str, Any] | None]] = {
    "max_output_tokens": _max_output_tokens,
    "tools": read_tools,
    "tool_choice": _tool_choice,
    "text": read_text,
    "reasoning": _reasoning,
    "include": _include,
    "top_logprobs": _top_logprobs,
    "truncation": _truncation,
    "max_tool_calls": _max_tool_calls,
}
_READ = frozenset(
    {"model", "instructions", "input", "stream", "stream_options", "synapse_metadata", "session_id", "n", *_STATEFUL}
)
