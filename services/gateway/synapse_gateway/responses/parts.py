"""Content parts of the responses protocol to the canonical form.

| part                                  | canonical                                                        |
|---------------------------------------|------------------------------------------------------------------|
| `input_text` `output_text`            | `text`; annotations and probabilities of an `output_text` stay   |
| `refusal`                             | `refusal`                                                        |
| `input_image.image_url` `.file_id`    | `image.url` `.file_id`; the usual `detail`, "auto", is left out  |
| `input_audio.input_audio`             | `audio`                                                          |
| `input_file.file_data` `.file_url`    | `file.url` for a URL of either kind, else `file.base64_data`     |
| `input_file.file_id` `.filename`      | `file`, same names                                               |
| other members of a part               | `extra_json` of the part                                         |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.llm.v1 import content_pb2
from synapse_gateway.openai.content import required_text, take_text
from synapse_gateway.problems import invalid, missing, wrong_type
from synapse_runtime import jsontext

_TOLD = ("annotations", "logprobs")
"""What a provider told beside a text of its answer; it is no part of the conversation."""


def lay_content(made: content_pb2.Message, value: Any, where: str) -> None:
    """Lay a content, a text or a list of parts, into a message; one bare text in a list is that text."""
    if isinstance(value, str):
        made.text = value
        return
    if value is None:
        raise missing(where)
    if not isinstance(value, list):
        raise wrong_type(where, "a string or an array", value)
    parts = [_part(part, f"{where}[{number}]") for number, part in enumerate(value)]
    refusals = [part.refusal for part in parts if part.WhichOneof("part") == "refusal"]
    if len(refusals) == 1 and made.role == "assistant":
        made.refusal = refusals[0]
        parts = [part for part in parts if part.WhichOneof("part") != "refusal"]
    if len(parts) == 1 and parts[0].WhichOneof("part") == "text" and not parts[0].extra_json:
        made.text = parts[0].text
    else:
        made.parts.extend(parts)


def _part(value: Any, where: str) -> content_pb2.ContentPart:
    if not isinstance(value, dict):
        raise wrong_type(where, "an object", value)
    kind = required_text(value, "type", where)
    read = _PARTS.get(kind)
    if read is None:
        known = ", ".join(f"'{name}'" for name in _PARTS)
        message = f"Invalid value: '{kind}'. Supported values are: {known}."
        raise invalid(message, f"{where}.type", "invalid_value")
    rest = {name: member for name, member in value.items() if name != "type" and member is not None}
    made = read(rest, where)
    if rest:
        made.extra_json = jsontext.dump(rest)
    return made


def _text(rest: dict[str, Any], where: str) -> content_pb2.ContentPart:
    for name in _TOLD:
        rest.pop(name, None)
    return content_pb2.ContentPart(text=_taken(rest, "text", where))


def _refusal(rest: dict[str, Any], where: str) -> content_pb2.ContentPart:
    return content_pb2.ContentPart(refusal=_taken(rest, "refusal", where))


def _image(rest: dict[str, Any], where: str) -> content_pb2.ContentPart:
    made = content_pb2.ContentPart()
    name, source = _one_source(rest, ("image_url", "file_id"), where)
    if name == "image_url":
        made.image.url = source
    else:
        made.image.file_id = source
    detail = take_text(rest, "detail", where)
    if detail not in {None, "auto"}:
        made.image.detail = detail or ""
    return made


def _audio(rest: dict[str, Any], where: str) -> content_pb2.ContentPart:
    inner = rest.pop("input_audio", None)
    where = f"{where}.input_audio"
    if inner is None:
        raise missing(where)
    if not isinstance(inner, dict):
        raise wrong_type(where, "an object", inner)
    others = dict(inner)
    made = content_pb2.ContentPart()
    made.audio.base64_data = _taken(others, "data", where)
    made.audio.media_type = _taken(others, "format", where)
    if others:
        made.audio.extra_json = jsontext.dump(others)
    return made


def _file(rest: dict[str, Any], where: str) -> content_pb2.ContentPart:
    made = content_pb2.ContentPart()
    name, source = _one_source(rest, ("file_data", "file_url", "file_id"), where)
    if name == "file_id":
        made.file.file_id = source
    elif name == "file_url" or source.startswith("data:"):
        made.file.url = source
    else:
        made.file.base64_data = source
    if (filename := take_text(rest, "filename", where)) is not None:
        made.file.filename = filename
    return made


def _one_source(rest: dict[str, Any], names: tuple[str, ...], where: str) -> tuple[str, str]:
    """Where the media is, as the member's name and its text; raises Problem 400 unless exactly one member says it."""
    found = {name: source for name in names if (source := take_text(rest, name, where)) is not None}
    if not found:
        raise missing(f"{where}.{names[0]}")
    if len(found) > 1:
        given = " and ".join(f"'{name}'" for name in found)
        raise invalid(f"'{where}' must have only one of {given}.", where)
    return next(iter(found.items()))


def _taken(rest: dict[str, Any], name: str, where: str) -> str:
    text = required_text(rest, name, where)
    del rest[name]
    return text


_PARTS: dict[str, Callable[[dict[str, Any], str], content_pb2.ContentPart]] = {
    "input_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
    "output_text": _text,
    "refusal": _refusal,
}
