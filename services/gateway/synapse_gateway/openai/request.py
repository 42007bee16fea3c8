"""OpenAI's chat and completion requests to the canonical form, losing nothing.

Members without a field of their own are kept as JSON text in `extra_json` of their level, and so are values that the
field cannot hold exactly, such as an empty list. A null is the same as nothing for every member that has a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse.llm.v1 import request_pb2
from synapse_gateway.body import read_object
from synapse_gateway.dialect import Asked
from synapse_gateway.openai import content
from synapse_gateway.openai.fields import FIELDS
from synapse_gateway.problems import invalid, missing, wrong_type
from synapse_runtime import jsontext

_INT32 = 2**31 - 1


def read_chat(raw: bytes, _headers: Mapping[bytes, bytes]) -> Asked:
    """The body of a chat completion request; raises Problem 400."""
    body = read_object(raw)
    request = request_pb2.GenerationRequest(
        model=_model(body), kind=request_pb2.GENERATION_KIND_CHAT, protocol=request_pb2.PROTOCOL_OPENAI
    )
    messages = body.pop("messages", None)
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise invalid("'messages' must not be empty: expected at least 1 message.", "messages", "empty_array")
    request.messages.extend([content.message(value, f"messages[{number}]") for number, value in enumerate(messages)])
    return _asked(body, request)


def read_completion(raw: bytes, _headers: Mapping[bytes, bytes]) -> Asked:
    """The body of a plain completion request; raises Problem 400."""
    body = read_object(raw)
    request = request_pb2.GenerationRequest(
        model=_model(body), kind=request_pb2.GENERATION_KIND_COMPLETION, protocol=request_pb2.PROTOCOL_OPENAI
    )
    request.prompt.SetInParent()
    prompt = body.pop("prompt", None)
    if prompt is not None:
        _prompt(prompt, request.prompt)
    return _asked(body, request)


def _model(body: dict[str, Any]) -> str:
    model = content.required_text(body, "model", "")
    if not model:
        raise invalid("'model' must not be empty.", "model")
    del body["model"]
    return model


def _asked(body: dict[str, Any], request: request_pb2.GenerationRequest) -> Asked:
    if not body:
        return Asked(request, stream=False)
    stream = _flag(body, "stream")
    options = body.pop("stream_options", None)
    if options is not None and not isinstance(options, dict):
        raise wrong_type("stream_options", "an object", options)
    if options is not None and not stream:
        raise invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options")
    include_usage = _flag(dict(options or {}), "include_usage", "stream_options.")
    tell_outcome = _flag(body, "synapse_metadata")
    body.pop("session_id", None)  # groups requests for the caller; it changes no answer and goes nowhere
    _fields(body, request)
    return Asked(request, stream=stream, include_usage=include_usage, tell_outcome=tell_outcome)


def _fields(body: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    extra = {}
    fields = FIELDS[request.kind]
    for name, value in body.items():
        put = fields.get(name)
        if put is None or (value is not None and not put(request, value, name)):
            extra[name] = value
    if extra:
        request.extra_json = jsontext.dump(extra)


def _flag(body: dict[str, Any], name: str, where: str = "") -> bool:
    value = body.pop(name, None)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong_type(where + name, "a boolean", value)


def _prompt(value: Any, prompt: request_pb2.CompletionPrompt) -> None:
    if isinstance(value, str):
        prompt.texts.append(value)
        return
    if not isinstance(value, list):
        raise wrong_type("prompt", "a string or an array", value)
    if not value:
        raise invalid("'prompt' must not be an empty array.", "prompt", "empty_array")
    if all(isinstance(item, str) for item in value):
        prompt.batched = True
        prompt.texts.extend(value)
    elif all(isinstance(item, list) for item in value):
        prompt.batched = True
        for number, item in enumerate(value):
            prompt.token_ids.add(ids=_tokens(item, f"prompt[{number}]"))
    else:
        prompt.token_ids.add(ids=_tokens(value, "prompt"))


def _tokens(values: list[Any], where: str) -> list[int]:
    for number, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INT32:
            raise wrong_type(f"{where}[{number}]", "a token id", value)
    return values
