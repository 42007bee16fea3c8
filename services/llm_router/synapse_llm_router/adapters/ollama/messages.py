"""Canonical messages as those of Ollama's chat.

| Ollama member                    | canonical place                                                             |
|----------------------------------|-----------------------------------------------------------------------------|
| `role`                           | `role`; "developer" goes as "system", "function" as "tool"                  |
| `content`                        | `text`, or the texts of the `parts` joined by a line end; `refusal` as well |
| `thinking`                       | `reasoning`, or thinking parts without their signatures                     |
| `images[]`                       | image parts: base64 data, or a data URL unpacked                            |
| `tool_calls[].id`                | `ToolCall.id`                                                               |
| `tool_calls[].function`          | `name`, `arguments` as an object (empty text: an empty one)                 |
| `tool_name`                      | the name of the call that `tool_call_id` answers, else `name`               |
| `tool_call_id`                   | `tool_call_id`                                                              |
| another message of role "tool"   | a tool_result part; whether the tool failed has no member                   |

A message whose parts go back to text or thinking after a tool call becomes several, so that their order is kept.
Refused: other media, pictures by URL or file id, opaque and redacted parts, calls that are not of functions, and the
name of a speaker. A picture's `detail` and extra members are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.members_json import JsonObject
from synapse_llm_router.adapters.target import Target
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import ContentPart, Media, Message, Thinking, ToolCall, ToolResult

_ROLES = {"developer": "system", "function": "tool"}


class MessageWriter:
    """Writes the messages of one conversation, in order. Raises InvalidArgument for what Ollama cannot take."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._names: dict[str, str] = {}

    def write(self, messages: Iterable[Message]) -> list[JsonObject]:
        """`messages` as Ollama's."""
        numbered = enumerate(messages)
        return [body for number, message in numbered for body in self._write(message, f"messages[{number}]")]

    def _write(self, message: Message, where: str) -> Iterator[JsonObject]:
        refusing.require_plain(self._target, message, where)
        role = _ROLES.get(message.role, message.role)
        turn = _Turn(role)
        if message.HasField("reasoning"):
            turn.thinking.append(message.reasoning)
        if message.HasField("text"):
            turn.texts.append(message.text)
        for number, part in enumerate(message.parts):
            if turn.is_closed_to(part):
                yield from turn.bodies()
                turn = _Turn(role)
            self._add(part, turn, f"{where}.content[{number}]")
        if message.HasField("refusal"):
            turn.texts.append(message.refusal)
        for number, call in enumerate(message.tool_calls):
            turn.calls.append(self._call(call, f"{where}.tool_calls[{number}]"))
        for body in turn.bodies(whatever=not message.parts):
            yield {**body, **self._answered(message)} if role == "tool" else body

    def _add(self, part: ContentPart, turn: _Turn, where: str) -> None:
        match part.WhichOneof("part"):
            case "text":
                turn.texts.append(part.text)
            case "refusal":
                turn.texts.append(part.refusal)
            case "image":
                turn.images.append(self._image(part.image, where))
            case "thinking":
                turn.thinking.append(self._thoughts(part.thinking, where))
            case "tool_call":
                turn.calls.append(self._call(part.tool_call, where))
            case "tool_result":
                turn.results.append(self._result(part.tool_result, where))
            case kind:
                raise self._target.lacks_content(where, f"a part of kind {kind} has no form in Ollama's chat")

    def _call(self, call: ToolCall, where: str) -> JsonObject:
        if call.type not in {"", "function"}:
            raise self._target.lacks_content(where, f"it knows no tool calls of type {call.type!r}")
        try:
            arguments = jsontext.load(call.arguments or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise self._target.lacks_content(f"{where}.arguments", "they are not a JSON object")
        self._names[call.id] = call.name
        identity = {"id": call.id} if call.id else {}
        return {**identity, "function": {"name": call.name, "arguments": arguments}}

    def _answered(self, message: Message) -> JsonObject:
        """Which call a message of role "tool" answers."""
        name = self._names.get(message.tool_call_id) or message.name
        return _named(name, message.tool_call_id)

    def _result(self, result: ToolResult, where: str) -> JsonObject:
        turn = _Turn("tool")
        if result.HasField("text"):
            turn.texts.append(result.text)
        for number, part in enumerate(result.parts):
            if part.WhichOneof("part") not in {"text", "image"}:
                raise self._target.lacks_content(where, "a tool's result has texts and pictures only")
            self._add(part, turn, f"{where}.content[{number}]")
        (body,) = turn.bodies(whatever=True)
        return {**body, **_named(self._names.get(result.tool_call_id, ""), result.tool_call_id)}

    def _thoughts(self, thinking: Thinking, where: str) -> str:
        if thinking.redacted_data:
            raise self._target.lacks_content(where, "thoughts that only their provider can read have no form here")
        return thinking.text

    def _image(self, image: Media, where: str) -> str:
        source = image.WhichOneof("source")
        if source == "base64_data":
            return image.base64_data
        if source == "url" and image.url[:5].lower() == "data:":
            head, separator, data = image.url.partition(",")
            if separator:
                is_base64 = head.lower().endswith(";base64")
                return data if is_base64 else base64.b64encode(unquote_to_bytes(data)).decode()
        raise self._target.lacks_content(where, "it fetches no pictures: send them as data URLs or base64")


class _Turn:
    """A message in the making."""

    def __init__(self, role: str) -> None:
        self._role = role
        self.texts: list[str] = []
        self.thinking: list[str] = []
        self.images: list[str] = []
        self.calls: list[JsonObject] = []
        self.results: list[JsonObject] = []

    def is_closed_to(self, part: ContentPart) -> bool:
        """Whether `part` would stand before something that it follows."""
        kind = part.WhichOneof("part")
        said = self.texts or self.images or self.calls
        match kind:
            case "tool_call":
                return bool(self.results)
            case "tool_result":
                return bool(said or self.thinking)
            case "thinking":
                return bool(said or self.results)
            case _:
                return bool(self.calls or self.results)

    def bodies(self, *, whatever: bool = False) -> Iterator[JsonObject]:
        """The messages made; one without content only if it shall be there `whatever` it says."""
        yield from self.results
        if not (self.texts or self.thinking or self.images or self.calls or (whatever and not self.results)):
            return
        body: JsonObject = {"role": self._role, "content": "\n".join(self.texts)}
        if self.thinking:
            body["thinking"] = "\n".join(self.thinking)
        if self.images:
            body["images"] = self.images
        if self.calls:
            body["tool_calls"] = self.calls
        yield body


def _named(name: str, call_id: str) -> JsonObject:
    members = {"tool_name": name, "tool_call_id": call_id}
    return {member: value for member, value in members.items() if value}
