"""The output of a response: its items as they grow, and what is told of them on the way.

One item is open at a time, and in it one part. A whole answer and a stream are made here alike; only the stream listens
to what is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from synapse_gateway.responses.sealed import sealed
from synapse_runtime.ids import fresh_id

Tell: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Takes an event: its type, and its members but the type and the number in the stream."""
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]
PartKind: TypeAlias = Literal["output_text", "refusal", "reasoning_text"]


@dataclass(slots=True)
class Part:
    """A part of a message or of thoughts."""

    kind: PartKind
    place: dict[str, Any]
    """Where it is: item, its index, the part's."""
    pieces: list[str] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """The part as it is now."""
        made: dict[str, Any] = {"type": self.kind, **self.whole()}
        if self.kind == "output_text":
            made |= {"annotations": [], "logprobs": self.logprobs}
        return made

    def whole(self) -> dict[str, str]:
        """Its whole text under its name."""
        return {"refusal" if self.kind == "refusal" else "text": "".join(self.pieces)}


@dataclass(slots=True)
class Item:
    """A message."""

    id: str
    index: int
    parts: list[Part] = field(default_factory=list)

    def shown(self, status: Status) -> dict[str, Any]:
        """The item as it is now."""
        content = [part.shown() for part in self.parts]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


@dataclass(slots=True)
class Thoughts(Item):
    """Thoughts; `key` tells one block of them from the next."""

    key: int | None = None
    signature: str = ""
    redacted_data: str = ""

    def shown(self, status: Status) -> dict[str, Any]:
        """The item as it is now."""
        return {
            "id": self.id,
            "type": "reasoning",
            "status": status,
            "summary": [],
            "content": [part.shown() for part in self.parts],
            "encrypted_content": sealed(signature=self.signature, redacted_data=self.redacted_data),
        }


@dataclass(slots=True)
class ToolUse(Item):
    """A call of a tool: of a function with `arguments`, or of a custom tool with `input`."""

    call_id: str = ""
    name: str = ""
    custom: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def told_as(self) -> str:
        """What the events about its text are called."""
        return "response.custom_tool_call_input" if self.custom else "response.function_call_arguments"

    def whole(self) -> dict[str, str]:
        """Its whole text under its name."""
        return {"input" if self.custom else "arguments": "".join(self.pieces)}

    def shown(self, status: Status) -> dict[str, Any]:
        """The item as it is now."""
        kind = "custom_tool_call" if self.custom else "function_call"
        made = {"id": self.id, "type": kind, "status": status, "call_id": self.call_id, "name": self.name}
        return made | self.whole()


class Output:
    """The items of one answer; `part` is the open one."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._items: list[Item] = []
        self._status: dict[int, Status] = {}
        self._calls: dict[int, ToolUse] = {}
        self._open: Item | None = None
        self._split = False
        self.part: Part | None = None

    def shown(self) -> list[dict[str, Any]]:
        """All items as they are now; one that is still open is incomplete."""
        return [item.shown(self._status.get(item.index, "incomplete")) for item in self._items]

    def think(self, key: int | None, text: str, *, signature: str = "", redacted_data: str = "") -> None:
        """More of the thoughts `key`; None for those that are not in blocks."""
        item = self._open
        if not isinstance(item, Thoughts) or item.key != key:
            item = Thoughts(fresh_id("rs_"), len(self._items), key=key)
            self._begin(item)
        item.signature += signature
        item.redacted_data += redacted_data
        if text:
            self._grow("reasoning_text", text)

    def say(self, text: str, logprobs: list[dict[str, Any]]) -> None:
        """More of the text; the first after `split` begins a part of its own."""
        part = self._spoken("output_text")
        part.pieces.append(text)
        part.logprobs += logprobs
        self._tell("response.output_text.delta", {**part.place, "delta": text, "logprobs": logprobs})

    def refuse(self, text: str) -> None:
        """More of the refusal."""
        self._spoken("refusal")
        self._grow("refusal", text)

    def split(self) -> None:
        """A text begins that is not the one before."""
        self._split = True

    def call(self, index: int, text: str, *, call_id: str, name: str, custom: bool) -> None:
        """More of the call `index`; what it is counts on its first piece, and a late name is taken too."""
        item = self._calls.get(index)
        if item is None:
            made = fresh_id("ctc_" if custom else "fc_")
            item = ToolUse(made, len(self._items), call_id=call_id or fresh_id("call_"), name=name, custom=custom)
            self._calls[index] = item
            self._begin(item)
        elif item is not self._open:
            self.close("completed")
            self._open = item
        item.name = item.name or name
        if text:
            item.pieces.append(text)
            self._tell(f"{item.told_as}.delta", {"item_id": item.id, "output_index": item.index, "delta": text})

    def close(self, status: Status) -> None:
        """The open item is over."""
        item = self._open
        if item is None:
            return
        self._close_part()
        if isinstance(item, ToolUse):
            place = {"item_id": item.id, "output_index": item.index}
            self._tell(f"{item.told_as}.done", {**place, **item.whole()})
        self._status[item.index] = status
        self._tell("response.output_item.done", {"output_index": item.index, "item": item.shown(status)})
        self._open = None

    def end(self, status: Status) -> None:
        """The answer is over; one that said nothing has an empty text."""
        if not self._items:
            self._spoken("output_text")
        self.close(status)

    def _begin(self, item: Item) -> None:
        self.close("completed")
        self._items.append(item)
        self._open = item
        self._tell("response.output_item.added", {"output_index": item.index, "item": item.shown("in_progress")})

    def _spoken(self, kind: PartKind) -> Part:
        """The open part of a message, of this kind."""
        if type(self._open) is not Item:
            self._begin(Item(fresh_id("msg_"), len(self._items)))
        part = self.part
        if part is None or part.kind != kind or self._split:
            part = self._begin_part(kind)
        self._split = False
        return part

    def _begin_part(self, kind: PartKind) -> Part:
        self._close_part()
        item = self._open
        if item is None:
            raise RuntimeError("a part needs an item")
        place = {"item_id": item.id, "output_index": item.index, "content_index": len(item.parts)}
        part = self.part = Part(kind, place)
        item.parts.append(part)
        self._tell("response.content_part.added", {**place, "part": part.shown()})
        return part

    def _close_part(self) -> None:
        part, self.part = self.part, None
        if part is None:
            return
        logprobs = {"logprobs": part.logprobs} if part.kind == "output_text" else {}
        self._tell(f"response.{part.kind}.done", {**part.place, **part.whole(), **logprobs})
        self._tell("response.content_part.done", {**part.place, "part": part.shown()})

    def _grow(self, kind: PartKind, text: str) -> None:
        part = self.part or self._begin_part(kind)
        part.pieces.append(text)
        self._tell(f"response.{kind}.delta", {**part.place, "delta": text})
