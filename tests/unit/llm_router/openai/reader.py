"""An independent reading of OpenAI requests into the canonical form, after the tables in the adapters' docstrings."""

from __future__ import annotations

import json
from typing import Any

from synapse.llm.v1 import content_pb2, request_pb2

KINDS = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "seed": int,
    "max_tokens": int,
    "max_completion_tokens": int,
    "presence_penalty": float,
    "frequency_penalty": float,
    "best_of": int,
}
MODES = {
    "auto": request_pb2.ToolChoice.MODE_AUTO,
    "none": request_pb2.ToolChoice.MODE_NONE,
    "required": request_pb2.ToolChoice.MODE_REQUIRED,
}
CALLER = {"user": str, "safety_identifier": str, "store": bool, "service_tier": str, "prompt_cache_key": str}


def is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def read_request(body: dict[str, Any]) -> request_pb2.GenerationRequest:
    """The canonical form of an OpenAI request."""
    rest = dict(body)
    request = request_pb2.GenerationRequest(model=rest.pop("model"), protocol=request_pb2.PROTOCOL_OPENAI)
    if "messages" in rest:
        for message in rest.pop("messages"):
            read_message(message, request.messages.add())
    else:
        request.kind = request_pb2.GENERATION_KIND_COMPLETION
        read_prompt(rest, request)
    read_sampling(rest, request)
    read_tools(rest, request)
    read_others(rest, request)
    request.extra_json = dump(rest)
    return request


def dump(rest: dict[str, Any]) -> str:
    return json.dumps(rest) if rest else ""


def take(rest: dict[str, Any], name: str, kind: type) -> Any:
    """The member `name` if it is of `kind`, taken out."""
    return rest.pop(name) if is_a(rest.get(name), kind) else None


def read_prompt(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    prompt = rest.pop("prompt")
    single = isinstance(prompt, str) or (prompt and isinstance(prompt[0], int))
    request.prompt.batched = not single
    for one in [prompt] if single else prompt:
        if isinstance(one, str):
            request.prompt.texts.append(one)
        else:
            request.prompt.token_ids.add(ids=one)
    for name, kind in (("suffix", str), ("echo", bool)):
        if (value := take(rest, name, kind)) is not None:
            setattr(request.prompt, name, value)
    if (count := take(rest, "logprobs", int)) is not None:
        request.sampling.top_logprobs = count


def read_sampling(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    sampling = request.sampling
    for name, kind in KINDS.items():
        if (value := take(rest, name, kind)) is not None:
            setattr(sampling, name, value)
    if (text := take(rest, "stop", str)) is not None:
        sampling.stop.append(text)
        sampling.stop_is_text = True
    elif rest.get("stop"):
        sampling.stop.extend(rest.pop("stop"))
    if (bias := take(rest, "logit_bias", dict)) is not None:
        sampling.logit_bias_json = json.dumps(bias)
    for name, field, kind in (
        ("n", "choice_count", int),
        ("logprobs", "logprobs", bool),
        ("top_logprobs",) * 2 + (int,),
    ):
        if (value := take(rest, name, kind)) is not None:
            setattr(sampling, field, value)


def read_tools(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    for tool in rest.pop("tools", []):
        read_tool(tool, request.tools.add())
    choice = rest.pop("tool_choice", None)
    if isinstance(choice, str) and choice in MODES:
        request.tool_choice.mode = MODES[choice]
    elif isinstance(choice, dict) and choice == {
        "type": "function",
        "function": {"name": choice["function"].get("name")},
    }:
        request.tool_choice.mode = request_pb2.ToolChoice.MODE_NAMED
        request.tool_choice.name = choice["function"]["name"]
    elif choice is not None:
        request.tool_choice.mode = request_pb2.ToolChoice.MODE_OTHER
        request.tool_choice.raw_json = json.dumps(choice)
    if (parallel := take(rest, "parallel_tool_calls", bool)) is not None:
        request.parallel_tool_calls = parallel


def read_tool(tool: dict[str, Any], target: request_pb2.Tool) -> None:
    if tool["type"] != "function":
        target.type, target.extra_json = tool["type"], json.dumps(tool)
        return
    outer, inner = dict(tool), dict(tool["function"])
    target.type, target.name = outer.pop("type"), inner.pop("name")
    if (parameters := take(inner, "parameters", dict)) is not None:
        target.parameters_json = json.dumps(parameters)
    for name, kind in (("description", str), ("strict", bool)):
        if (value := take(inner, name, kind)) is not None:
            setattr(target, name, value)
    target.extra_json = dump(
        {**outer, "function": inner} if inner else {k: v for k, v in outer.items() if k != "function"}
    )


def read_others(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    if (form := take(rest, "response_format", dict)) is not None:
        inner = dict(form)
        request.response_format.type = inner.pop("type")
        if (schema := take(inner, "json_schema", dict)) is not None:
            request.response_format.json_schema_json = json.dumps(schema)
        request.response_format.extra_json = dump(inner)
    if (effort := take(rest, "reasoning_effort", str)) is not None:
        request.reasoning.effort = effort
    request.modalities.extend(rest.pop("modalities", []))
    for name, kind in CALLER.items():
        if (value := take(rest, name, kind)) is not None:
            setattr(request.caller, name, value)
    if (labels := take(rest, "metadata", dict)) is not None:
        request.caller.metadata_json = json.dumps(labels)


def read_message(message: dict[str, Any], target: content_pb2.Message) -> None:
    rest = dict(message)
    target.role = rest.pop("role")
    content = rest.pop("content", None)
    if isinstance(content, str):
        target.text = content
    elif content:
        for part in content:
            read_part(part, target.parts.add())
    elif content is not None:
        rest["content"] = content
    for name in ("name", "tool_call_id", "refusal"):
        if (value := take(rest, name, str)) is not None:
            setattr(target, name, value)
    if (thought := take(rest, "reasoning_content", str)) is not None:
        target.reasoning = thought
    if rest.get("tool_calls"):
        for call in rest.pop("tool_calls"):
            read_call(call, target.tool_calls.add())
    target.extra_json = dump(rest)


def read_call(call: dict[str, Any], target: content_pb2.ToolCall) -> None:
    rest = dict(call)
    target.id, target.type = rest.pop("id"), rest.pop("type")
    if target.type == "function":
        inner = dict(rest.pop("function"))
        target.name, target.arguments = inner.pop("name"), inner.pop("arguments")
        if inner:
            rest["function"] = inner
    target.extra_json = dump(rest)


def read_part(part: dict[str, Any], target: content_pb2.ContentPart) -> None:
    kind = part["type"]
    rest = {name: value for name, value in part.items() if name not in {"type", kind}}
    if kind in {"text", "refusal"}:
        setattr(target, kind, part[kind])
    elif kind in {"image_url", "audio_url", "video_url"}:
        inner = dict(part[kind])
        media = getattr(target, kind.removesuffix("_url"))
        media.url = inner.pop("url")
        if (detail := take(inner, "detail", str)) is not None:
            media.detail = detail
        media.extra_json = dump(inner)
    elif kind == "input_audio":
        inner = dict(part[kind])
        target.audio.base64_data, target.audio.media_type = inner.pop("data"), inner.pop("format")
        target.audio.extra_json = dump(inner)
    elif kind == "file":
        read_file(dict(part[kind]), target.file)
    else:
        target.opaque_json = json.dumps(part)
        return
    target.extra_json = dump(rest)


def read_file(inner: dict[str, Any], media: content_pb2.Media) -> None:
    if "file_id" in inner:
        media.file_id = inner.pop("file_id")
    elif "file_data" in inner:
        data = inner.pop("file_data")
        setattr(media, "url" if data.startswith("data:") else "base64_data", data)
    if "filename" in inner:
        media.filename = inner.pop("filename")
    media.extra_json = dump(inner)
