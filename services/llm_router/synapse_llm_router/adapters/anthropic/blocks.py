"""Canonical parts and tool calls as Anthropic's content blocks.

| Anthropic block                                    | canonical place                                              |
|----------------------------------------------------|--------------------------------------------------------------|
| `text`                                             | `text`; a `refusal` is written as one, too                   |
| `image` with source base64 / url / file            | `image.base64_data` and `.media_type` / `.url` / `.file_id`  |
| `document` with source base64 / url / file         | `file`, likewise                                             |
| `document.title`                                   | `file.filename`                                              |
| `thinking.{thinking,signature}`                    | `thinking.text` `.signature`, byte for byte                  |
| `redacted_thinking.data`                           | `thinking.redacted_data`                                     |
| `tool_use.{id,name,input}`                         | `ToolCall.id` `.name` `.arguments`, its JSON text            |
| `tool_result.{tool_use_id,content,is_error}`       | `ToolResult.tool_call_id`, `.text` or `.parts`, `.is_error`  |
| other members of a block / of its `source`         | `extra_json` of the part (or call) / of the media            |
| any other block                                    | `opaque_json`, the whole block                               |

Data URLs are written as base64 sources. What came in another protocol loses `image.detail`, its files of type
text/plain are written with a source of type text, its file ids and parts without a form here are refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from synapse_llm_router.adapters.members_json import JsonObject, adopt, verbatim
from synapse_llm_router.adapters.target import Target
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import ContentPart, Media, Thinking, ToolCall, ToolResult

Block: TypeAlias = JsonObject | orjson.Fragment
_PLAIN = "text/plain"
_PDF = "application/pdf"


def block_of(part: ContentPart, target: Target, where: str) -> Block:
    """`part` as a block; raises InvalidArgument naming `where` for one that has no form here."""
    kind = part.WhichOneof("part")
    if kind == "opaque_json" and target.own:
        return verbatim(part.opaque_json, where)
    write = _WRITERS.get(kind or "")
    if write is None:
        raise target.lacks_content(where, f"a part of kind {kind} has no form in Anthropic's Messages")
    block: JsonObject = write(getattr(part, kind or ""), target, where)
    if target.own:
        adopt(block, part.extra_json, f"{where}.extra_json")
    return block


def text_block(text: str) -> JsonObject:
    """A block of text."""
    return {"type": "text", "text": text}


def tool_use(call: ToolCall, target: Target, where: str) -> JsonObject:
    """A call of a tool; its arguments must be JSON."""
    if call.type not in {"", "function"}:
        raise target.lacks_content(where, f"a tool call of type {call.type!r} has no form in Anthropic's Messages")
    block = {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call.arguments, target, where)}
    if target.own:
        adopt(block, call.extra_json, f"{where}.extra_json")
    return block


def tool_result(result: ToolResult, target: Target, where: str) -> JsonObject:
    """The result of a tool."""
    block: JsonObject = {"type": "tool_result", "tool_use_id": result.tool_call_id}
    if result.parts:
        block["content"] = [
            block_of(part, target, f"{where}.content[{number}]") for number, part in enumerate(result.parts)
        ]
    elif result.HasField("text"):
        block["content"] = result.text
    if result.HasField("is_error"):
        block["is_error"] = result.is_error
    return block


def _input(arguments: str, target: Target, where: str) -> orjson.Fragment:
    text = arguments.strip() or "{}"
    try:
        value = jsontext.load(text)
    except ValueError as error:
        raise target.lacks_content(f"{where}.arguments", f"they are not JSON: {error}") from error
    if not (isinstance(value, dict) or target.own):
        raise target.lacks_content(f"{where}.arguments", "they are not a JSON object")
    return orjson.Fragment(text)


def _text(text: str, _target: Target, _where: str) -> JsonObject:
    return text_block(text)


def _image(media: Media, target: Target, where: str) -> JsonObject:
    return {"type": "image", "source": _source(media, target, where)}


def _document(media: Media, target: Target, where: str) -> JsonObject:
    block: JsonObject = {"type": "document", "source": _source(media, target, where, default_type=_PDF)}
    if media.HasField("filename"):
        block["title"] = media.filename
    return block


def _source(media: Media, target: Target, where: str, *, default_type: str = "") -> JsonObject:
    source: JsonObject
    match media.WhichOneof("source"):
        case "url" if media.url.startswith("data:"):
            source = _data_source(*_parts_of_data_url(media.url, target, where), target, where)
        case "url":
            source = {"type": "url", "url": media.url}
        case "base64_data":
            source = _data_source(media.media_type or default_type, media.base64_data, target, where)
        case "file_id" if target.own:
            source = {"type": "file", "file_id": media.file_id}
        case "file_id":
            raise target.lacks_content(f"{where}.file_id", "it is the id of a file that another provider keeps")
        case _:
            raise target.lacks_content(where, "it has neither data nor a URL")
    if target.own:
        adopt(source, media.extra_json, f"{where}.source.extra_json")
    return source


def _data_source(media_type: str, data: str, target: Target, where: str) -> JsonObject:
    if media_type != _PLAIN or target.own:
        return {"type": "base64", "media_type": media_type, "data": data}
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise target.lacks_content(where, f"its data is no base64 of text: {error}") from error
    return {"type": "text", "media_type": _PLAIN, "data": text}


def _parts_of_data_url(url: str, target: Target, where: str) -> tuple[str, str]:
    head, comma, data = url.removeprefix("data:").partition(",")
    media_type, *parameters = head.split(";")
    if not comma or parameters[-1:] != ["base64"]:
        raise target.lacks_content(where, "its data URL is not in base64")
    return media_type, data


def _thinking(thought: Thinking, _target: Target, _where: str) -> JsonObject:
    if thought.redacted_data:
        return {"type": "redacted_thinking", "data": thought.redacted_data}
    block = {"type": "thinking", "thinking": thought.text}
    if thought.signature:
        block["signature"] = thought.signature
    return block


_WRITERS: dict[str, Callable[[Any, Target, str], JsonObject]] = {
    "text": _text,
    "refusal": _text,
    "image": _image,
    "file": _document,
    "thinking": _thinking,
    "tool_call": tool_use,
    "tool_result": tool_result,
}
