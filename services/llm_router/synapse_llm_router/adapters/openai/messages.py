"""Canonical messages as OpenAI chat messages.

| OpenAI member                                   | canonical place                                          |
|-------------------------------------------------|----------------------------------------------------------|
| `role`                                          | `role`                                                   |
| `content` text / list / null or absent          | `text` / `parts` / neither (written as null)             |
| `content: []`, `tool_calls: []`                 | `extra_json`, as is                                      |
| `name` `tool_call_id` `refusal`                 | the fields of the same name; null means absent           |
| `reasoning_content`                             | `reasoning` (a member called `reasoning` is an extra)    |
| `tool_calls[].id` `.type`                       | `ToolCall.id` `.type`                                    |
| `tool_calls[].function.name` `.arguments`       | `ToolCall.name` `.arguments`, for type "function"        |
| other members, `custom` of custom calls too     | `extra_json` of the message or call                      |
| part `text` / `refusal`                         | `ContentPart.text` / `.refusal`                          |
| part `image_url.{url,detail}`                   | `image.url` `.detail`                                    |
| part `input_audio.{data,format}`                | `audio.base64_data` `.media_type`                        |
| part `audio_url.url` / `video_url.url`          | `audio.url` / `video.url`                                |
| part `file.{file_id,filename}`                  | `file.file_id` `.filename`                               |
| part `file.file_data`                           | `file.url` for a data URL, else `file.base64_data`       |
| other members of a part / of its media object   | `ContentPart.extra_json` / `Media.extra_json`            |
| any part that does not fit the above            | `opaque_json`, the whole part                            |

Everywhere: a member of a known name whose value has not the field's type rides in the nearest `extra_json` under its
own name. An `extra_json` mirrors the wire object: an extra inside `function` stands under "function" there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_llm_router.adapters.members_json import JsonObject, adopt, verbatim
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    import orjson

    from synapse.llm.v1.content_pb2 import ContentPart, Media, Message, ToolCall

UNSUPPORTED = "UNSUPPORTED_CONTENT"


def message_body(message: Message, *, extras: bool) -> JsonObject:
    """`message` as an OpenAI message; with `extras` the members without a field are put back."""
    body: JsonObject = {"role": message.role} if message.role else {}
    if message.parts:
        body["content"] = _parts(message, extras=extras)
    elif message.HasField("text"):
        body["content"] = message.text
    if message.HasField("name"):
        body["name"] = message.name
    if message.tool_calls:
        body["tool_calls"] = [_tool_call(call, extras=extras) for call in message.tool_calls]
    if message.HasField("tool_call_id"):
        body["tool_call_id"] = message.tool_call_id
    if message.HasField("refusal"):
        body["refusal"] = message.refusal
    if message.HasField("reasoning"):
        body["reasoning_content"] = message.reasoning
    if extras:
        adopt(body, message.extra_json, "messages.extra_json")
    body.setdefault("content", None)
    return body


def _parts(message: Message, *, extras: bool) -> list[JsonObject | orjson.Fragment]:
    parts: list[JsonObject | orjson.Fragment] = [{"type": "text", "text": message.text}] if message.text else []
    parts.extend(_part(part, extras=extras) for part in message.parts)
    return parts


def _tool_call(call: ToolCall, *, extras: bool) -> JsonObject:
    body: JsonObject = {"id": call.id} if call.id else {}
    if call.type:
        body["type"] = call.type
    if call.type == "function" or call.name or call.arguments:
        body["function"] = {"name": call.name, "arguments": call.arguments}
    if extras:
        adopt(body, call.extra_json, "tool_calls.extra_json")
    return body


def _part(part: ContentPart, *, extras: bool) -> JsonObject | orjson.Fragment:
    kind = part.WhichOneof("part")
    if kind == "opaque_json" and extras:
        return verbatim(part.opaque_json, "parts.opaque_json")
    if kind in {"text", "refusal"}:
        body: JsonObject = {"type": kind, kind: getattr(part, kind)}
    elif kind in {"image", "audio", "file", "video"}:
        body = _media_part(kind, getattr(part, kind), extras=extras)
    else:
        raise InvalidArgument(f"this backend cannot take a content part of kind {kind}", reason=UNSUPPORTED)
    if extras:
        adopt(body, part.extra_json, "parts.extra_json")
    return body


def _media_part(kind: str, media: Media, *, extras: bool) -> JsonObject:
    source = media.WhichOneof("source")
    if kind == "file":
        name, inner = "file", _file(media, source)
    elif kind == "audio" and source != "url":
        name, inner = "input_audio", {"data": media.base64_data, "format": media.media_type}
    else:
        name, inner = f"{kind}_url", {"url": _url(media, source)}
        if media.HasField("detail"):
            inner["detail"] = media.detail
    if extras:
        adopt(inner, media.extra_json, f"{kind}.extra_json")
    return {"type": name, name: inner}


def _file(media: Media, source: str | None) -> JsonObject:
    inner: JsonObject = {}
    if source == "file_id":
        inner["file_id"] = media.file_id
    elif source is not None:
        inner["file_data"] = media.url if source == "url" else media.base64_data
    if media.HasField("filename"):
        inner["filename"] = media.filename
    return inner


def _url(media: Media, source: str | None) -> str:
    if source == "url":
        return media.url
    if source == "base64_data":
        return f"data:{media.media_type};base64,{media.base64_data}"
    raise InvalidArgument("a picture or video needs a URL or data on this backend", reason=UNSUPPORTED)
