"""The `input` of the responses protocol to canonical messages.

| item                                     | canonical                                                       |
|------------------------------------------|-----------------------------------------------------------------|
| a bare text                              | a message of the user                                           |
| `message`, or anything with a `role`     | a message; its content by parts.py                              |
| `reasoning`                              | the turn's `reasoning`, or a `thinking` part where it is signed |
| `function_call`                          | one of the turn's `tool_calls`; `call_id` is its id             |
| `custom_tool_call`                       | the same with type "custom", as in chat                         |
| `function_call_output` `custom_tool_..`  | a message of role "tool"                                        |
| `id` `status` `phase` of an item         | nowhere: they say how the provider answered                     |
| other members                            | `extra_json` of the message or call                             |

What follows from what in the assistant's turn is in turns.py. Every other item belongs to tools or to a state that a
provider keeps, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from synapse.llm.v1 import content_pb2
from synapse_gateway.openai.content import required_text, take_text
from synapse_gateway.problems import Problem, invalid, missing, wrong_type
from synapse_gateway.responses.parts import lay_content
from synapse_gateway.responses.sealed import unseal
from synapse_gateway.responses.turns import Turns
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

_TOLD = ("type", "id", "status", "phase")


def read_input(value: Any, messages: RepeatedCompositeFieldContainer[content_pb2.Message]) -> None:
    """Add the messages of an `input` to `messages`; raises Problem 400."""
    if isinstance(value, str):
        messages.add(role="user", text=value)
        return
    if value is None:
        raise missing("input")
    if not isinstance(value, list):
        raise wrong_type("input", "a string or an array", value)
    if not value:
        raise invalid("'input' must not be an empty array.", "input", "empty_array")
    turns = Turns(messages)
    for number, item in enumerate(value):
        _read_item(item, turns, f"input[{number}]")
    turns.close()


def _read_item(item: Any, turns: Turns, where: str) -> None:
    if not isinstance(item, dict):
        raise wrong_type(where, "an object", item)
    kind = "message" if item.get("type") is None and "role" in item else required_text(item, "type", where)
    read = _ITEMS.get(kind)
    if read is None:
        raise _unsupported(kind, where)
    read(turns, {name: member for name, member in item.items() if name not in _TOLD and member is not None}, where)


def _unsupported(kind: str, where: str) -> Problem:
    if kind == "item_reference":
        message = "Nothing is kept between two calls, so an item cannot be referred to: send the item itself."
    else:
        message = f"Items of type '{kind}' are not supported: they belong to tools or a state that a provider keeps."
    return invalid(message, f"{where}.type", "unsupported_value")


def _message(turns: Turns, item: dict[str, Any], where: str) -> None:
    made = content_pb2.Message(role=_taken(item, "role", where))
    lay_content(made, item.pop("content", None), f"{where}.content")
    if (name := take_text(item, "name", where)) is not None:
        made.name = name
    if item:
        made.extra_json = jsontext.dump(item)
    if made.role == "assistant":
        turns.say(made)
    else:
        turns.other(made)


def _reasoning(turns: Turns, item: dict[str, Any], where: str) -> None:
    """Thoughts: their text, or the summary where that is all there is."""
    texts = _thoughts(item, "content", where) or _thoughts(item, "summary", where)
    seal = take_text(item, "encrypted_content", where)
    made = [content_pb2.Thinking(text=text) for text in texts]
    if seal is not None:
        made = made or [content_pb2.Thinking()]
        unseal(made[-1], seal, f"{where}.encrypted_content")
    for thought in made:
        turns.think(thought)


def _thoughts(item: dict[str, Any], name: str, where: str) -> list[str]:
    parts = item.get(name, [])
    where = f"{where}.{name}"
    if not isinstance(parts, list):
        raise wrong_type(where, "an array", parts)
    texts = []
    for number, part in enumerate(parts):
        if not isinstance(part, dict):
            raise wrong_type(f"{where}[{number}]", "an object", part)
        texts.append(required_text(part, "text", f"{where}[{number}]"))
    return texts


def _function_call(turns: Turns, item: dict[str, Any], where: str) -> None:
    made = content_pb2.ToolCall(
        id=_taken(item, "call_id", where),
        type="function",
        name=_taken(item, "name", where),
        arguments=_taken(item, "arguments", where),
    )
    if item:
        made.extra_json = jsontext.dump(item)
    turns.call(made)


def _custom_call(turns: Turns, item: dict[str, Any], where: str) -> None:
    made = content_pb2.ToolCall(id=_taken(item, "call_id", where), type="custom")
    custom = {"name": _taken(item, "name", where), "input": _taken(item, "input", where)}
    made.extra_json = jsontext.dump({"custom": custom, **item})
    turns.call(made)


def _output(turns: Turns, item: dict[str, Any], where: str) -> None:
    made = content_pb2.Message(role="tool", tool_call_id=_taken(item, "call_id", where))
    lay_content(made, item.pop("output", None), f"{where}.output")
    if item:
        made.extra_json = jsontext.dump(item)
    turns.other(made)


def _taken(item: dict[str, Any], name: str, where: str) -> str:
    text = required_text(item, name, where)
    del item[name]
    return text


_ITEMS: dict[str, Callable[[Turns, dict[str, Any], str], None]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
}
