"""The canonical request written back as OpenAI's JSON, to show that nothing was lost on the way in."""

from __future__ import annotations

import json
from typing import Any

from synapse.llm.v1 import content_pb2, request_pb2


def request_json(request: request_pb2.GenerationRequest) -> dict[str, Any]:
    """The body that made `request`, without nulls of members that have a field."""
    body: dict[str, Any] = {"model": request.model}
    completion = request.kind == request_pb2.GENERATION_KIND_COMPLETION
    if completion:
        body |= _prompt(request.prompt)
    else:
        body["messages"] = [_message(message) for message in request.messages]
    body |= _sampling(request.sampling, completion=completion)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.HasField("tool_choice"):
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.HasField("parallel_tool_calls"):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.HasField("response_format"):
        body["response_format"] = _response_format(request.response_format)
    if request.reasoning.HasField("effort"):
        body["reasoning_effort"] = request.reasoning.effort
    if request.modalities:
        body["modalities"] = list(request.modalities)
    body |= _caller(request.caller)
    return body | _extra(request.extra_json)


def _extra(text: str) -> dict[str, Any]:
    return json.loads(text) if text else {}


def _deep(made: dict[str, Any], text: str) -> dict[str, Any]:
    extra = _extra(text)
    if isinstance(extra.get("function"), dict) and "function" in made:
        extra["function"] = made["function"] | extra["function"]
    return made | extra


def _sampling(sampling: request_pb2.Sampling, *, completion: bool) -> dict[str, Any]:
    made = {}
    names = {"choice_count": "n", "top_logprobs": "logprobs" if completion else "top_logprobs"}
    for field, value in sampling.ListFields():
        if field.name == "logit_bias_json":
            made["logit_bias"] = json.loads(value)
        elif field.name == "stop":
            made["stop"] = value[0] if sampling.stop_is_text else list(value)
        elif field.name != "stop_is_text":
            made[names.get(field.name, field.name)] = value
    return made


def _prompt(prompt: request_pb2.CompletionPrompt) -> dict[str, Any]:
    made: dict[str, Any] = {}
    texts: list[Any] = list(prompt.texts) or [list(tokens.ids) for tokens in prompt.token_ids]
    if texts:
        made["prompt"] = texts if prompt.batched else texts[0]
    for name in ("suffix", "echo"):
        if prompt.HasField(name):
            made[name] = getattr(prompt, name)
    return made


def _message(message: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role}
    if message.HasField("text"):
        made["content"] = message.text
    if message.parts:
        made["content"] = [_part(part) for part in message.parts]
    for name, field in (
        ("name", "name"),
        ("tool_call_id", "tool_call_id"),
        ("refusal", "refusal"),
        ("reasoning_content", "reasoning"),
    ):
        if message.HasField(field):
            made[name] = getattr(message, field)
    if message.tool_calls:
        made["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    return made | _extra(message.extra_json)


def _part(part: content_pb2.ContentPart) -> Any:
    kind: Any = part.WhichOneof("part")
    if kind == "opaque_json":
        return json.loads(part.opaque_json)
    if kind in {"text", "refusal"}:
        return {"type": kind, kind: getattr(part, kind)} | _extra(part.extra_json)
    name = {"image": "image_url", "video": "video_url", "audio": "input_audio", "file": "file"}[kind]
    return {"type": name, name: _media(kind, getattr(part, kind))} | _extra(part.extra_json)


def _media(kind: str, media: content_pb2.Media) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if kind == "audio":
        made = {"data": media.base64_data, "format": media.media_type}
    elif kind == "file":
        source = media.WhichOneof("source")
        if source is not None:
            made = {"file_id" if source == "file_id" else "file_data": getattr(media, source)}
        if media.HasField("filename"):
            made["filename"] = media.filename
    else:
        made = {"url": media.url}
        if media.HasField("detail"):
            made["detail"] = media.detail
    return made | _extra(media.extra_json)


def _tool_call(call: content_pb2.ToolCall) -> dict[str, Any]:
    made: dict[str, Any] = {"id": call.id, "type": call.type}
    if call.type == "function":
        made["function"] = {"name": call.name, "arguments": call.arguments}
    return _deep(made, call.extra_json)


def _tool(tool: request_pb2.Tool) -> Any:
    if tool.type != "function":
        return json.loads(tool.extra_json)
    function: dict[str, Any] = {"name": tool.name}
    if tool.HasField("description"):
        function["description"] = tool.description
    if tool.parameters_json:
        function["parameters"] = json.loads(tool.parameters_json)
    if tool.HasField("strict"):
        function["strict"] = tool.strict
    return _deep({"type": tool.type, "function": function}, tool.extra_json)


def _tool_choice(choice: request_pb2.ToolChoice) -> Any:
    modes = {
        request_pb2.ToolChoice.MODE_AUTO: "auto",
        request_pb2.ToolChoice.MODE_NONE: "none",
        request_pb2.ToolChoice.MODE_REQUIRED: "required",
    }
    if choice.mode == request_pb2.ToolChoice.MODE_NAMED:
        return {"type": "function", "function": {"name": choice.name}}
    return modes.get(choice.mode) or json.loads(choice.raw_json)


def _response_format(form: request_pb2.ResponseFormat) -> dict[str, Any]:
    made: dict[str, Any] = {"type": form.type}
    if form.json_schema_json:
        made["json_schema"] = json.loads(form.json_schema_json)
    return made | _extra(form.extra_json)


def _caller(caller: request_pb2.CallerInfo) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field, value in caller.ListFields():
        if field.name == "metadata_json":
            made["metadata"] = json.loads(value)
        else:
            made[field.name] = value
    return made
