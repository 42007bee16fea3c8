"""Ollama's requests read back into the canonical form, by another hand than the one that wrote them."""

from __future__ import annotations

from typing import Any

import orjson

from synapse.llm.v1.content_pb2 import Message
from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, PROTOCOL_OPENAI, GenerationRequest

NAMES = ("temperature", "top_k", "top_p", "min_p", "seed", "presence_penalty", "frequency_penalty")


def read(body: Any) -> GenerationRequest:
    """The question that `body` asks."""
    request = GenerationRequest(model=body["model"], protocol=PROTOCOL_OPENAI)
    if "prompt" in body:
        request.kind = GENERATION_KIND_COMPLETION
        request.prompt.texts.append(body["prompt"])
        if "suffix" in body:
            request.prompt.suffix = body["suffix"]
    for message in body.get("messages", ()):
        _read_message(message, request.messages.add())
    for tool in body.get("tools", ()):
        function = tool["function"]
        target = request.tools.add(type=tool["type"], name=function["name"])
        target.parameters_json = orjson.dumps(function["parameters"]).decode()
        if "description" in function:
            target.description = function["description"]
    _read_sampling(body, request)
    _read_form(body, request)
    return request


def _read_message(message: Any, target: Message) -> None:
    target.role = message["role"]
    if "images" in message:
        target.parts.add(text=message["content"])
        for image in message["images"]:
            target.parts.add().image.base64_data = image
    else:
        target.text = message["content"]
    if "thinking" in message:
        target.reasoning = message["thinking"]
    for call in message.get("tool_calls", ()):
        function = call["function"]
        arguments = orjson.dumps(function["arguments"]).decode()
        target.tool_calls.add(id=call["id"], type="function", name=function["name"], arguments=arguments)
    if "tool_call_id" in message:
        target.tool_call_id = message["tool_call_id"]


def _read_sampling(body: Any, request: GenerationRequest) -> None:
    options = body.get("options", {})
    for name in NAMES:
        if name in options:
            setattr(request.sampling, name, options[name])
    if "num_predict" in options:
        request.sampling.max_tokens = options["num_predict"]
    request.sampling.stop.extend(options.get("stop", ()))
    if "logprobs" in body:
        request.sampling.logprobs = body["logprobs"]
    if "top_logprobs" in body:
        request.sampling.top_logprobs = body["top_logprobs"]


def _read_form(body: Any, request: GenerationRequest) -> None:
    form = body.get("format")
    if form == "json":
        request.response_format.type = "json_object"
    elif form is not None:
        request.response_format.type = "json_schema"
        request.response_format.json_schema_json = orjson.dumps({"schema": form}).decode()
    think = body.get("think")
    if isinstance(think, bool):
        request.reasoning.enabled = think
    elif think is not None:
        request.reasoning.effort = think
