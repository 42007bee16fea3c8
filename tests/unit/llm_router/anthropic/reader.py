"""An independent reading of Anthropic's requests into the canonical form, after the tables of ADR 4."""

from __future__ import annotations

import json
from typing import Any

from synapse.llm.v1 import content_pb2, request_pb2

MODES = {"auto": "MODE_AUTO", "any": "MODE_REQUIRED", "none": "MODE_NONE"}


def dump(rest: dict[str, Any]) -> str:
    return json.dumps(rest) if rest else ""


def read_request(body: dict[str, Any], *, betas: tuple[str, ...] = ()) -> request_pb2.GenerationRequest:
    """The canonical form of a request of Anthropic's Messages."""
    rest = dict(body)
    request = request_pb2.GenerationRequest(
        model=rest.pop("model"), protocol=request_pb2.PROTOCOL_ANTHROPIC, betas=betas
    )
    if "system" in rest:
        read_content(request.messages.add(role="system"), rest.pop("system"))
    for turn in rest.pop("messages"):
        read_turn(turn, request.messages)
    read_sampling(rest, request.sampling)
    read_tools(rest, request)
    read_thinking(rest, request)
    if "metadata" in rest:
        labels = dict(rest.pop("metadata"))
        if "user_id" in labels:
            request.caller.user = labels.pop("user_id")
        request.caller.metadata_json = dump(labels)
    if "service_tier" in rest:
        request.caller.service_tier = rest.pop("service_tier")
    request.extra_json = dump(rest)
    return request


def read_sampling(rest: dict[str, Any], sampling: request_pb2.Sampling) -> None:
    for name in ("max_tokens", "temperature", "top_p", "top_k"):
        if name in rest:
            setattr(sampling, name, rest.pop(name))
    sampling.stop.extend(rest.pop("stop_sequences", ()))


def read_tools(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    for tool in rest.pop("tools", ()):
        left = dict(tool)
        made = request.tools.add(type="function")
        if "type" in left:
            made.type, made.extra_json = tool["type"], json.dumps(tool)
            continue
        made.name, made.parameters_json = left.pop("name"), json.dumps(left.pop("input_schema"))
        for name in ("description", "strict"):
            if name in left:
                setattr(made, name, left.pop(name))
        made.extra_json = dump(left)
    choice = dict(rest.pop("tool_choice", {}))
    if not choice:
        return
    if "disable_parallel_tool_use" in choice:
        request.parallel_tool_calls = not choice.pop("disable_parallel_tool_use")
    kind = choice.pop("type")
    if kind == "tool":
        request.tool_choice.mode, request.tool_choice.name = request_pb2.ToolChoice.MODE_NAMED, choice["name"]
    elif kind in MODES:
        request.tool_choice.mode = request_pb2.ToolChoice.Mode.Value(MODES[kind])
    else:
        request.tool_choice.mode = request_pb2.ToolChoice.MODE_OTHER
        request.tool_choice.raw_json = json.dumps({"type": kind, **choice})


def read_thinking(rest: dict[str, Any], request: request_pb2.GenerationRequest) -> None:
    thinking = dict(rest.pop("thinking", {}))
    if thinking.get("type") in {"enabled", "disabled"}:
        request.reasoning.enabled = thinking.pop("type") == "enabled"
    if "budget_tokens" in thinking:
        request.reasoning.budget_tokens = thinking.pop("budget_tokens")
    if thinking:
        request.reasoning.extra_json = json.dumps(thinking)
    config = dict(rest.pop("output_config", {}))
    if "effort" in config:
        request.reasoning.effort = config.pop("effort")
    if "format" in config:
        form = dict(config.pop("format"))
        request.response_format.type = form.pop("type")
        if "schema" in form:
            request.response_format.json_schema_json = json.dumps({"schema": form.pop("schema")})
        request.response_format.extra_json = dump(form)
    if config:
        rest["output_config"] = config


def read_turn(turn: dict[str, Any], messages: Any) -> None:
    rest = dict(turn)
    role, content = rest.pop("role"), rest.pop("content")
    kinds = [block["type"] for block in content] if isinstance(content, list) else []
    results = len(kinds) - len(kinds[kinds.count("tool_result") :])
    if role == "user" and results and set(kinds[:results]) == {"tool_result"} and not rest:
        for block in content[:results]:
            read_result(block, messages.add(role="tool"))
        content = content[results:]
        if not content:
            return
    message = messages.add(role=role, extra_json=dump(rest))
    calls = kinds.count("tool_use")
    if role == "assistant" and calls and "tool_result" not in kinds and set(kinds[-calls:]) == {"tool_use"}:
        for block in content[-calls:]:
            read_call(block, message.tool_calls.add())
        content = content[:-calls]
    read_content(message, content)


def read_content(target: content_pb2.Message | content_pb2.ToolResult, content: Any) -> None:
    if isinstance(content, str):
        target.text = content
    elif len(content) == 1 and content[0].keys() == {"type", "text"} and content[0]["type"] == "text":
        target.text = content[0]["text"]
    else:
        for block in content:
            read_block(block, target.parts.add())


def read_call(block: dict[str, Any], call: content_pb2.ToolCall) -> None:
    rest = {name: value for name, value in block.items() if name != "type"}
    call.type, call.id, call.name = "function", rest.pop("id"), rest.pop("name")
    call.arguments = json.dumps(rest.pop("input"))
    call.extra_json = dump(rest)


def read_result(block: dict[str, Any], message: content_pb2.Message) -> None:
    rest = {name: value for name, value in block.items() if name != "type"}
    message.tool_call_id = rest.pop("tool_use_id")
    if "content" in rest:
        read_content(message, rest.pop("content"))
    message.extra_json = dump(rest)


def read_block(block: dict[str, Any], part: content_pb2.ContentPart) -> None:
    rest = {name: value for name, value in block.items() if name != "type"}
    match block["type"]:
        case "text":
            part.text = rest.pop("text")
        case "thinking":
            part.thinking.text, part.thinking.signature = rest.pop("thinking"), rest.pop("signature")
        case "redacted_thinking":
            part.thinking.redacted_data = rest.pop("data")
        case "image" | "document" if block["source"]["type"] in {"base64", "url", "file"}:
            media = part.image if block["type"] == "image" else part.file
            read_source(dict(rest.pop("source")), media)
        case "tool_use":
            read_call(block, part.tool_call)
            return
        case "tool_result":
            result = part.tool_result
            result.tool_call_id = rest.pop("tool_use_id")
            if "content" in rest:
                read_content(result, rest.pop("content"))
            if "is_error" in rest:
                result.is_error = rest.pop("is_error")
        case _:
            part.opaque_json = json.dumps(block)
            return
    part.extra_json = dump(rest)


def read_source(source: dict[str, Any], media: content_pb2.Media) -> None:
    match source.pop("type"):
        case "base64":
            media.base64_data, media.media_type = source.pop("data"), source.pop("media_type")
        case "url":
            media.url = source.pop("url")
        case _:
            media.file_id = source.pop("file_id")
    media.extra_json = dump(source)
