"""The space of requests, read off the descriptors: random ones, and every single change of one.

A field that is added to the protos is drawn and changed here without another line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import GenerationRequest

Change: TypeAlias = "tuple[str, Callable[[], object]]"
"""What is changed, by its path, and the function that does it to the message it was found in."""

JSON_TEXTS = (
    *(
        "",
        "{}",
        '{"a":1}',
        '{"a":2}',
        '{"a":1.0}',
        '{"b":[1,null],"a":{"y":true,"x":"é"}}',
        '{"cache_control":{"t":1}}',
    ),
    *('{"a":1,"cache_control":{"t":1}}', '{"a":{"cache_control":1}}', "[1,2]", "[2,1]", "null", "not json", '"text"'),
    *('{"n":123456789012345678901}', '{"n":123456789012345678902}', '{ "a" : 1 }'),
)
TEXTS = (
    "",
    "a",
    "b",
    "user",
    "assistant",
    "text",
    "function",
    "a\nb",
    "é",
    "e\u0301",
    "data:image/png;base64,QUJD",
    "A",
)
_LEAST = 2


def requests() -> st.SearchStrategy[GenerationRequest]:
    """Requests of any shape, plausible or not."""
    return _messages(GenerationRequest.DESCRIPTOR, 5)


@st.composite
def conversations(draw: st.DrawFn) -> GenerationRequest:
    """Chats of texts alone, the last by the user: what may be matched by meaning."""
    request = GenerationRequest(model=draw(st.sampled_from(["m", "n"])))
    for _ in range(draw(st.integers(0, 3))):
        message = request.messages.add(role=draw(st.sampled_from(["system", "user", "assistant", "developer"])))
        message.text = draw(_texts())
        if draw(st.booleans()):
            message.name = draw(_texts())
    request.messages.add(role="user", text=draw(st.sampled_from(["What is love?", "Why?", "Tell me", "a"])))
    for name in draw(st.lists(st.sampled_from(["temperature", "top_p", "seed", "max_tokens"]), unique=True)):
        setattr(request.sampling, name, draw(st.sampled_from([0, 1])))
    if draw(st.booleans()):
        request.response_format.type = draw(_texts())
    return request


def changes(message: Message, path: str = "") -> Iterator[Change]:
    """Every single change of `message`: a value set, cleared or replaced, an element added, dropped or moved."""
    for field in message.DESCRIPTOR.fields:
        here = f"{path}.{field.name}"
        if field.is_repeated:
            yield from _repeated_changes(message, field, here)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _message_changes(message, field, here)
        else:
            yield from _scalar_changes(message, field, here)


def _scalar_changes(message: Message, field: FieldDescriptor, path: str) -> Iterator[Change]:
    is_set = message.HasField(field.name) if field.has_presence else True
    for value in values(field):
        if not is_set or getattr(message, field.name) != value:
            yield f"{path}={value!r}", lambda value=value: setattr(message, field.name, value)
    if field.has_presence and is_set:
        yield f"{path} cleared", lambda: message.ClearField(field.name)


def _message_changes(message: Message, field: FieldDescriptor, path: str) -> Iterator[Change]:
    if message.HasField(field.name):
        yield f"{path} cleared", lambda: message.ClearField(field.name)
        yield from changes(getattr(message, field.name), path)
    else:
        yield f"{path} added", lambda: _fill(getattr(message, field.name))


def _repeated_changes(message: Message, field: FieldDescriptor, path: str) -> Iterator[Change]:
    items = getattr(message, field.name)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        yield f"{path} longer", lambda: _fill(items.add())
        for index, item in enumerate(items):
            yield from changes(item, f"{path}[{index}]")
    else:
        for value in values(field):
            yield f"{path}+{value!r}", lambda value=value: items.append(value)
    if items:
        yield f"{path} shorter", items.pop
    if len(items) >= _LEAST:
        yield f"{path} turned", items.reverse


def _fill(message: Message) -> None:
    """Say the first thing in `message` that is not its default."""
    message.SetInParent()
    for field in message.DESCRIPTOR.fields:
        if not field.is_repeated and field.type != FieldDescriptor.TYPE_MESSAGE:
            setattr(message, field.name, next(value for value in values(field) if value != field.default_value))
            return


def values(field: FieldDescriptor) -> tuple[Any, ...]:
    """Values worth trying of a scalar field, the default among them."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return (b"", b"\0", b"a")
        return JSON_TEXTS if field.name.endswith("_json") or field.name == "arguments" else TEXTS
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return tuple(value.number for value in field.enum_type.values)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return (False, True)
    return (0.0, 0.5, 1.0, -1.0) if field.default_value == 0.0 and _is_float(field) else (0, 1, 2, 7)


def _is_float(field: FieldDescriptor) -> bool:
    return field.cpp_type in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


def _texts() -> st.SearchStrategy[str]:
    return st.sampled_from(TEXTS) | st.text(max_size=6)


@st.composite
def _messages(draw: st.DrawFn, descriptor: Descriptor, depth: int) -> Any:
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.integers(0, 3)) != 0:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth:
                _draw_messages(draw, message, field, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(st.sampled_from(values(field)), max_size=2)))
        else:
            setattr(message, field.name, draw(st.sampled_from(values(field))))
    return message


def _draw_messages(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    inner = _messages(field.message_type, depth)
    if field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(inner, min_size=1, max_size=2)))
    else:
        getattr(message, field.name).CopyFrom(draw(inner))
        getattr(message, field.name).SetInParent()


def said(request: GenerationRequest) -> dict[str, Any]:
    """What `request` says, as plain data in the fewest words: equal for two spellings of one question, and only then.

    Written from the documentation of the key, on its own: the key is held against it.
    """
    plain = _plain(request)
    plain.pop("caller", None)
    plain["kind"] = plain.get("kind") or 1
    sampling = plain.get("sampling", {})
    sampling.pop("stop_is_text", None)
    if sampling.get("choice_count") == 1:
        del sampling["choice_count"]
    if "max_completion_tokens" in sampling and "max_tokens" not in sampling:
        sampling["max_tokens"] = sampling.pop("max_completion_tokens")
    if not sampling:
        plain.pop("sampling", None)
    if not (plain.get("betas") or _speaks_its_own_words(plain)):
        plain.pop("protocol", None)
    return plain


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            plain[field.name] = [_plain(item) for item in value] if field.is_repeated else _plain(value)
        elif field.name.endswith("_json"):
            hinted = field.name in {"extra_json", "opaque_json", "raw_json"}
            read = _value(value, hinted=hinted)
            if read != "{}":
                plain[field.name] = read
            elif field.containing_oneof is not None:
                plain[field.name] = ""
        else:
            plain[field.name] = list(value) if field.is_repeated else value
    _reworded(message.DESCRIPTOR.name, plain)
    return plain


def _reworded(kind: str, plain: dict[str, Any]) -> None:
    if kind in {"Message", "ToolResult"} and "text" not in plain:
        parts = plain.get("parts", [])
        if len(parts) == 1 and set(parts[0]) == {"text"}:
            plain["text"] = plain.pop("parts")[0]["text"]
    if kind == "Message" and plain.get("tool_calls") and plain.get("text") == "":
        del plain["text"]
    if kind == "ToolCall":
        plain["type"] = plain.get("type") or "function"
        plain["arguments"] = _value(plain.get("arguments", ""), hinted=False) or "{}"
    prefix = "data:image/png;base64,"
    if (
        kind == "Media"
        and plain.get("url", "").startswith(prefix)
        and plain.get("media_type", "image/png") == "image/png"
    ):
        plain["base64_data"] = plain.pop("url").removeprefix(prefix)
        plain["media_type"] = "image/png"


def _value(text: str, *, hinted: bool) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if hinted and isinstance(value, dict):
        value.pop("cache_control", None)
    return json.dumps(value, sort_keys=True)


def _speaks_its_own_words(plain: object) -> bool:
    if isinstance(plain, list):
        return any(map(_speaks_its_own_words, plain))
    if not isinstance(plain, dict):
        return False
    own = {"extra_json", "opaque_json", "raw_json"} & plain.keys()
    return any(plain[name] for name in own) or any(map(_speaks_its_own_words, plain.values()))
