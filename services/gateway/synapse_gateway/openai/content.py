"""OpenAI's messages, content parts and tool calls to the canonical form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.llm.v1 import content_pb2
from synapse_gateway.problems import invalid, missing, wrong_type
from synapse_runtime import jsontext


def message(value: Any, where: str) -> content_pb2.Message:
    """One message; raises Problem 400."""
    if not isinstance(value, dict):
        raise wrong_type(where, "an object", value)
    role = required_text(value, "role", where)
    content = value.get("content")
    if len(value) == 2 and isinstance(content, str):
        return content_pb2.Message(role=role, text=content)
    made = content_pb2.Message(role=role)
    rest = {name: member for name, member in value.items() if name != "role"}
    _content(made, rest, where)
    for name, field in _TEXTS.items():
        if (text := take_text(rest, name, where)) is not None:
            setattr(made, field, text)
    calls = rest.get("tool_calls")
    if calls:
        rest.pop("tool_calls")
        made.tool_calls.extend(_each(calls, f"{where}.tool_calls", _tool_call))
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


_TEXTS = {
    "name": "name",
    "tool_call_id": "tool_call_id",
    "refusal": "refusal",
    "reasoning_content": "reasoning",
}


def _content(made: content_pb2.Message, rest: dict[str, Any], where: str) -> None:
    content = rest.get("content")
    if isinstance(content, str):
        made.text = content
    elif isinstance(content, list):
        if not content:
            return  # an empty list is told from null by staying among the other members
        made.parts.extend(_each(content, f"{where}.content", _part))
    elif content is not None:
        raise wrong_type(f"{where}.content", "a string or an array", content)
    rest.pop("content", None)


def _each(values: Any, where: str, read: Callable[[Any, str], Any]) -> list[Any]:
    if not isinstance(values, list):
        raise wrong_type(where, "an array", values)
    return [read(value, f"{where}[{number}]") for number, value in enumerate(values)]


def _part(value: Any, where: str) -> content_pb2.ContentPart:
    if not isinstance(value, dict):
        raise wrong_type(where, "an object", value)
    kind = required_text(value, "type", where)
    if kind in {"text", "refusal"}:
        made = content_pb2.ContentPart()
        setattr(made, kind, required_text(value, kind, where))
    elif kind in _MEDIA:
        field, read = _MEDIA[kind]
        media = read(_object(value, kind, where), f"{where}.{kind}")
        if media is None:
            return content_pb2.ContentPart(opaque_json=jsontext.dump(value))
        made = content_pb2.ContentPart()
        getattr(made, field).CopyFrom(media)
    else:
        return content_pb2.ContentPart(opaque_json=jsontext.dump(value))
    rest = {name: member for name, member in value.items() if name not in {"type", kind}}
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def _image(value: dict[str, Any], where: str) -> content_pb2.Media:
    made = content_pb2.Media(url=required_text(value, "url", where))
    rest = {name: member for name, member in value.items() if name != "url"}
    if (detail := take_text(rest, "detail", where)) is not None:
        made.detail = detail
    return _with_rest(made, rest)


def _audio(value: dict[str, Any], where: str) -> content_pb2.Media:
    made = content_pb2.Media(
        base64_data=required_text(value, "data", where), media_type=required_text(value, "format", where)
    )
    return _with_rest(made, {name: member for name, member in value.items() if name not in {"data", "format"}})


def _file(value: dict[str, Any], where: str) -> content_pb2.Media | None:
    """A file by id or by its data; None when it is both or neither, so that it is kept as it came."""
    rest = dict(value)
    file_id, data = take_text(rest, "file_id", where), take_text(rest, "file_data", where)
    if file_id is not None and data is not None:
        return None
    if file_id is not None:
        made = content_pb2.Media(file_id=file_id)
    elif data is None:
        return None
    elif data.startswith("data:"):
        made = content_pb2.Media(url=data)
    else:
        made = content_pb2.Media(base64_data=data)
    if (filename := take_text(rest, "filename", where)) is not None:
        made.filename = filename
    return _with_rest(made, rest)


def _with_rest(media: content_pb2.Media, rest: dict[str, Any]) -> content_pb2.Media:
    if rest:
        media.extra_json = jsontext.dump(rest)
    return media


_MEDIA: dict[str, tuple[str, Callable[[dict[str, Any], str], content_pb2.Media | None]]] = {
    "image_url": ("image", _image),
    "video_url": ("video", _image),
    "input_audio": ("audio", _audio),
    "file": ("file", _file),
}


def _tool_call(value: Any, where: str) -> content_pb2.ToolCall:
    """A tool call; what its function holds besides name and arguments stays under `function` in `extra_json`."""
    if not isinstance(value, dict):
        raise wrong_type(where, "an object", value)
    kind = value.get("type", "function")
    if not isinstance(kind, str):
        raise wrong_type(f"{where}.type", "a string", kind)
    made = content_pb2.ToolCall(id=required_text(value, "id", where), type=kind)
    rest = {name: member for name, member in value.items() if name not in {"id", "type"}}
    if kind == "function":
        inner = f"{where}.function"
        function = dict(_object(rest, "function", where))
        made.name = required_text(function, "name", inner)
        made.arguments = required_text(function, "arguments", inner)
        keep_rest_of_function(rest, function, known=("name", "arguments"))
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def keep_rest_of_function(rest: dict[str, Any], function: dict[str, Any], *, known: tuple[str, ...]) -> None:
    """Leave in `rest["function"]` only what has no field of its own."""
    others = {name: member for name, member in function.items() if name not in known}
    if others:
        rest["function"] = others
    else:
        rest.pop("function", None)


def _object(value: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    member = value.get(name)
    if member is None:
        raise missing(f"{where}.{name}")
    if not isinstance(member, dict):
        raise wrong_type(f"{where}.{name}", "an object", member)
    return member


def required_text(value: dict[str, Any], name: str, where: str) -> str:
    """The text `name` of an object; raises Problem 400 when it is missing or no text."""
    member = value.get(name)
    if isinstance(member, str):
        return member
    path = f"{where}.{name}" if where else name
    if member is None:
        raise missing(path)
    raise wrong_type(path, "a string", member)


def take_text(rest: dict[str, Any], name: str, where: str) -> str | None:
    """The text `name`, taken out of an object; None when it is null or not there."""
    member = rest.pop(name, None)
    if member is None or isinstance(member, str):
        return member
    raise wrong_type(f"{where}.{name}", "a string", member)


def tool_kind(value: Any, where: str) -> str:
    """The type of a tool; raises Problem 400."""
    if not isinstance(value, dict):
        raise wrong_type(where, "an object", value)
    kind = required_text(value, "type", where)
    if not kind:
        raise invalid(f"'{where}.type' must not be empty.", f"{where}.type")
    return kind
