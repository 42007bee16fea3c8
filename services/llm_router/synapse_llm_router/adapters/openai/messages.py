"""Canonical messages as OpenAI chat messages.

| OpenAI member                                   | canonical place                                          |
|-------------------------------------------------|----------------------------------------------------------|
| `role`                                          | `role`                                                   |
| `content` text / list / null or absent          | `text` / `parts` / neither; written as null beside calls |
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

What came in another protocol:

- `tool_result` parts are messages of role `tool`, in their order, before what else their turn says; whether the tool
  failed (`is_error`) is lost;
- `tool_call` parts are `tool_calls`, after the texts of their turn;
- `thinking` parts, signed by their provider, are left out; a single text that is left is bare;
- a file gets a `filename` where it has none; files at a URL, file ids of another provider and opaque parts are refused.

Everywhere: a member of a known name whose value has not the field's type rides in the nearest `extra_json` under its
own name. An `extra_json` mirrors the wire object: an extra inside `function` stands under "function" there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from synapse_llm_router.adapters.members_json import JsonObject, adopt, verbatim
from synapse_llm_router.adapters.target import Target

if TYPE_CHECKING:
    import orjson

    from synapse.llm.v1.content_pb2 import ContentPart, Media, Message, ToolCall, ToolResult

_BLOCKS = frozenset({"thinking", "tool_call", "tool_result"})
"""Parts that say what members and messages say on this wire."""


def message_bodies(messages: Sequence[Message], target: Target) -> list[JsonObject]:
    """`messages` as OpenAI's; raises InvalidArgument for what has no form on this wire."""
    bodies: list[JsonObject] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if any(part.WhichOneof("part") in _BLOCKS for part in message.parts):
            bodies.extend(_turn(message, target, where))
        else:
            bodies.append(_body(message, message.parts, message.tool_calls, target, where))
    return bodies


def _turn(message: Message, target: Target, where: str) -> Iterable[JsonObject]:
    """The messages that a turn of blocks is: the results of tools, then what else it says."""
    parts: dict[str, list[ContentPart]] = {kind: [] for kind in ("tool_result", "tool_call", "thinking", "")}
    for part in message.parts:
        kind = part.WhichOneof("part") or ""
        parts[kind if kind in _BLOCKS else ""].append(part)
    for part in parts["tool_result"]:
        yield _result(part.tool_result, target, where)
    calls = [part.tool_call for part in parts["tool_call"]] + list(message.tool_calls)
    if parts[""] or calls or message.HasField("text"):
        yield _body(message, parts[""], calls, target, where)


def _result(result: ToolResult, target: Target, where: str) -> JsonObject:
    content = _parts(result.parts, target, where) if result.parts else result.text
    return {"role": "tool", "tool_call_id": result.tool_call_id, "content": content}


def _body(
    message: Message, parts: Sequence[ContentPart], calls: Sequence[ToolCall], target: Target, where: str
) -> JsonObject:
    body: JsonObject = {"role": message.role}
    if parts:
        text = [{"type": "text", "text": message.text}] if message.text else []
        content = [*text, *_parts(parts, target, where)]
        body["content"] = parts[0].text if len(content) == 1 and _is_bare(parts[0], target) else content
    elif message.HasField("text") or (message.role == "tool" and not target.own):
        body["content"] = message.text
    if message.HasField("name"):
        body["name"] = message.name
    if calls:
        body["tool_calls"] = [_tool_call(call, target) for call in calls]
    if message.HasField("tool_call_id"):
        body["tool_call_id"] = message.tool_call_id
    if message.HasField("refusal"):
        body["refusal"] = message.refusal
    if message.HasField("reasoning"):
        body["reasoning_content"] = message.reasoning
    if target.own:
        adopt(body, message.extra_json, f"{where}.extra_json")
    if calls:
        body.setdefault("content", None)  # as OpenAI itself writes it: templates and stricter servers look for it
    return body


def _is_bare(part: ContentPart, target: Target) -> bool:
    return part.WhichOneof("part") == "text" and not target.own


def _parts(parts: Sequence[ContentPart], target: Target, where: str) -> list[JsonObject | orjson.Fragment]:
    return [_part(part, target, f"{where}.content[{number}]") for number, part in enumerate(parts)]


def _tool_call(call: ToolCall, target: Target) -> JsonObject:
    body: JsonObject = {"id": call.id, "type": call.type or "function"}
    if body["type"] == "function" or call.name or call.arguments:
        body["function"] = {"name": call.name, "arguments": call.arguments}
    if target.own:
        adopt(body, call.extra_json, "tool_calls.extra_json")
    return body


def _part(part: ContentPart, target: Target, where: str) -> JsonObject | orjson.Fragment:
    kind = part.WhichOneof("part")
    if kind == "opaque_json" and target.own:
        return verbatim(part.opaque_json, f"{where}.opaque_json")
    if kind in {"text", "refusal"}:
        body: JsonObject = {"type": kind, kind: getattr(part, kind)}
    elif kind in {"image", "audio", "file", "video"}:
        body = _media_part(kind, getattr(part, kind), target, where)
    else:
        raise target.lacks_content(where, f"a part of kind {kind} has no form on OpenAI's wire")
    if target.own:
        adopt(body, part.extra_json, f"{where}.extra_json")
    return body


def _media_part(kind: str, media: Media, target: Target, where: str) -> JsonObject:
    source = media.WhichOneof("source")
    if kind == "file":
        name, inner = "file", _file(media, source, target, where)
    elif kind == "audio" and source != "url":
        name, inner = "input_audio", {"data": media.base64_data, "format": media.media_type}
    else:
        name, inner = f"{kind}_url", {"url": _url(media, source, target, where)}
        if media.HasField("detail"):
            inner["detail"] = media.detail
    if target.own:
        adopt(inner, media.extra_json, f"{where}.{kind}.extra_json")
    return {"type": name, name: inner}


def _file(media: Media, source: str | None, target: Target, where: str) -> JsonObject:
    inner: JsonObject = {}
    if not target.own and (source == "file_id" or (source == "url" and not media.url.startswith("data:"))):
        raise target.lacks_content(where, "a file must come with its data on OpenAI's wire")
    if source == "file_id":
        inner["file_id"] = media.file_id
    elif source == "base64_data" and media.media_type:
        inner["file_data"] = f"data:{media.media_type};base64,{media.base64_data}"
    elif source is not None:
        inner["file_data"] = media.url if source == "url" else media.base64_data
    if media.HasField("filename"):
        inner["filename"] = media.filename
    elif not target.own:
        inner["filename"] = f"document.{media.media_type.rpartition('/')[2] or 'pdf'}"
    return inner


def _url(media: Media, source: str | None, target: Target, where: str) -> str:
    if source == "url":
        return media.url
    if source == "base64_data":
        return f"data:{media.media_type};base64,{media.base64_data}"
    raise target.lacks_content(where, "a picture or video needs a URL or data on OpenAI's wire")
