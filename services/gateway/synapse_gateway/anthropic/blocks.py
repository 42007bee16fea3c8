"""Anthropic's content blocks to the canonical parts, losing nothing.

Members of a block that have no field stay in the `extra_json` of the part, without those that are null; what is not
known here, such as a block of a tool that the provider runs, is kept whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.llm.v1 import content_pb2
from synapse_gateway.anthropic.checks import array, boolean, mapping, need, take, text
from synapse_runtime import jsontext

ContentPart = content_pb2.ContentPart


def kind_of(value: Any, where: str) -> str:
    """The type of a block; raises Problem 400."""
    block = mapping(value, where)
    return need(block, "type", text, where)


def part(value: Any, where: str) -> ContentPart:
    """One block as a part; raises Problem 400."""
    kind = kind_of(value, where)
    read = _READERS.get(kind)
    made = read(rest := _members(value), f"{where}.{kind}") if read is not None else None
    if made is None:
        return ContentPart(opaque_json=jsontext.dump(value))
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def parts(values: Any, where: str) -> list[ContentPart]:
    """Blocks as parts."""
    return [part(value, f"{where}.{number}") for number, value in enumerate(array(values, where))]


def bare_text(made: list[ContentPart]) -> str | None:
    """The text of the one block without other members that the parts are; None when they are more than that."""
    if len(made) == 1 and made[0].WhichOneof("part") == "text" and not made[0].extra_json:
        return made[0].text
    return None


def tool_call(value: Any, where: str) -> content_pb2.ToolCall:
    """A `tool_use` block; its input is written as JSON text."""
    rest = _members(value)
    made = _call(rest, f"{where}.tool_use")
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def tool_message(value: Any, where: str) -> content_pb2.Message:
    """A `tool_result` block as a message of its own."""
    rest, where = _members(value), f"{where}.tool_result"
    made = content_pb2.Message(role="tool", tool_call_id=need(rest, "tool_use_id", text, where))
    _content(made, rest, where)
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def _members(value: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if member is not None and name != "type"}


def _content(made: content_pb2.Message | content_pb2.ToolResult, rest: dict[str, Any], where: str) -> None:
    """The content of a result; an empty list is told from none by staying among the other members."""
    content = rest.get("content")
    if isinstance(content, str):
        made.text = content
    elif content is None or content == []:
        return
    elif (bare := bare_text(given := parts(content, f"{where}.content"))) is not None:
        made.text = bare
    else:
        made.parts.extend(given)
    del rest["content"]


def _text(rest: dict[str, Any], where: str) -> ContentPart:
    return ContentPart(text=need(rest, "text", text, where))


def _image(rest: dict[str, Any], where: str) -> ContentPart | None:
    media = _media(rest, where)
    return None if media is None else ContentPart(image=media)


def _document(rest: dict[str, Any], where: str) -> ContentPart | None:
    media = _media(rest, where)
    if media is None:
        return None
    if (title := take(rest, "title", text, where)) is not None:
        media.filename = title
    return ContentPart(file=media)


def _media(rest: dict[str, Any], where: str) -> content_pb2.Media | None:
    """Where the data is; None for a source without a field, such as a text, so that the block is kept whole."""
    source = need(dict(rest), "source", mapping, where)
    where = f"{where}.source"
    kind = need(source, "type", text, where)
    inside = f"{where}.{kind}"
    if kind == "base64":
        made = content_pb2.Media(
            base64_data=need(source, "data", text, inside), media_type=need(source, "media_type", text, inside)
        )
    elif kind == "url":
        made = content_pb2.Media(url=need(source, "url", text, inside))
    elif kind == "file":
        made = content_pb2.Media(file_id=need(source, "file_id", text, inside))
    else:
        return None
    if source:
        made.extra_json = jsontext.dump(source)
    del rest["source"]
    return made


def _thinking(rest: dict[str, Any], where: str) -> ContentPart:
    thoughts = need(rest, "thinking", text, where)
    return ContentPart(
        thinking=content_pb2.Thinking(text=thoughts, signature=take(rest, "signature", text, where) or "")
    )


def _redacted(rest: dict[str, Any], where: str) -> ContentPart:
    return ContentPart(thinking=content_pb2.Thinking(redacted_data=need(rest, "data", text, where)))


def _tool_use(rest: dict[str, Any], where: str) -> ContentPart:
    return ContentPart(tool_call=_call(rest, where))


def _call(rest: dict[str, Any], where: str) -> content_pb2.ToolCall:
    made = content_pb2.ToolCall(id=need(rest, "id", text, where), type="function", name=need(rest, "name", text, where))
    made.arguments = jsontext.dump(need(rest, "input", mapping, where))
    return made


def _tool_result(rest: dict[str, Any], where: str) -> ContentPart:
    made = content_pb2.ToolResult(tool_call_id=need(rest, "tool_use_id", text, where))
    if (failed := take(rest, "is_error", boolean, where)) is not None:
        made.is_error = failed
    _content(made, rest, where)
    return ContentPart(tool_result=made)


_READERS: dict[str, Callable[[dict[str, Any], str], ContentPart | None]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
