"""Events of a streamed answer of Anthropic's Messages as canonical GenerationEvents.

The mapping is that of answer.py, and besides:

- `message_start` makes the `head`, the first `delta`, with the role, and the usage as far as it is known; the last
  usage is all that was told, where later counts replace earlier ones;
- `content_block_start` begins a `ChoiceDelta.block`, with what the block says at once;
- `text_delta` is `content`; `thinking_delta` and `signature_delta` are `thinking`, `input_json_delta` is
  `tool_calls`, each with the position of its block among those of its kind;
- `citations_delta`, and deltas of a type not known here, are members of their block, in `block_extra_json`;
- a block of a kind not known here is told at its end, whole;
- other members of the message, from `message_start` and `message_delta`, are in the event's `extra_json`;
- `ping` and events of a type not known here are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from synapse.llm.v1 import generation_pb2 as wire
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters.anthropic import answer, members
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.members_json import JsonObject, text_of
from synapse_runtime import jsontext

_STOP = frozenset({"stop_reason", "stop_sequence"})
_DELTA_EVENT = frozenset({"type", "delta", "usage"})


class EventReader:
    """Reads the events of one stream, in order, and adds what they tell to responses."""

    def __init__(self) -> None:
        self._begun = False
        self._usage: JsonObject = {}
        self._index: Any = None
        self._kind = ""
        self._thoughts = -1
        self._calls = -1
        self._input: Any = None
        self._opaque: JsonObject = {}
        self._partial: list[str] = []

    def more_text(self, event: Any) -> str | None:
        """The text when `event` is nothing but more text of the open block, which most events are."""
        if self._kind != "text" or type(event) is not dict or event.get("type") != "content_block_delta":
            return None
        delta = event.get("delta")
        if type(delta) is not dict or delta.get("type") != "text_delta" or len(delta) != 2:
            return None
        text = delta.get("text")
        return text if isinstance(text, str) and event.get("index") == self._index else None

    def read(self, event: Any, response: StreamGenerateResponse) -> bool:
        """Add what the JSON value `event` tells to `response`; returns whether it was the last.

        Raises Malformed when it is no event, or comes where it must not.
        """
        before = len(response.events)
        try:
            kind = event["type"]
            if kind == "message_stop":
                self._require_begun()
                return True
            if (read := self._EVENTS.get(kind)) is not None:
                read(self, event, response)
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type
            del response.events[before:]
            raise Malformed(f"an event does not have the form of Anthropic's Messages: {error!r}") from error
        except Malformed:
            del response.events[before:]
            raise
        return False

    def _start(self, event: JsonObject, response: StreamGenerateResponse) -> None:
        if self._begun:
            raise Malformed("the message begins twice")
        self._begun = True
        message = event["message"]
        told = response.events.add(extra_json=members.others(message, answer.MESSAGE))
        answer.read_head(told.head, message)
        told.deltas.add(role=message.get("role") or "assistant")
        self._take_usage(message.get("usage"), told)

    def _end(self, event: JsonObject, response: StreamGenerateResponse) -> None:
        self._require_begun()
        delta = event.get("delta") or {}
        extra = {name: value for name, value in delta.items() if name not in _STOP}
        extra.update((name, value) for name, value in event.items() if name not in _DELTA_EVENT)
        told = response.events.add(extra_json=text_of(extra) if extra else "")
        if any(delta.get(name) is not None for name in _STOP):
            members.read_stop(told.deltas.add(), delta)
        self._take_usage(event.get("usage"), told)

    def _take_usage(self, usage: JsonObject | None, told: wire.GenerationEvent) -> None:
        if usage is None:
            return
        told_again = {name: value for name, value in usage.items() if value is not None or name not in self._usage}
        self._usage.update(told_again)
        members.read_usage(told.usage, self._usage)

    def _begin_block(self, event: JsonObject, response: StreamGenerateResponse) -> None:
        self._require_begun()
        if self._kind:
            raise Malformed("a block begins before the one before it has ended")
        block = event["content_block"]
        self._index, self._kind = event["index"], block["type"]
        begin = self._BLOCKS.get(self._kind)
        if begin is None:
            self._opaque, self._partial = block, []
        else:
            begin(self, block, response.events.add().deltas.add())

    def _begin_text(self, block: JsonObject, delta: wire.ChoiceDelta) -> None:
        delta.block.kind = wire.BLOCK_KIND_TEXT
        delta.block.extra_json = members.others(block, answer.TEXT)
        delta.content = block["text"]

    def _begin_thinking(self, block: JsonObject, delta: wire.ChoiceDelta) -> None:
        self._thoughts += 1
        delta.block.kind = wire.BLOCK_KIND_THINKING
        delta.block.extra_json = members.others(block, answer.THINKING)
        delta.thinking.index = self._thoughts
        delta.thinking.text = block["thinking"]
        delta.thinking.signature = block.get("signature") or ""

    def _begin_redacted(self, block: JsonObject, delta: wire.ChoiceDelta) -> None:
        self._thoughts += 1
        delta.block.kind = wire.BLOCK_KIND_THINKING
        delta.block.extra_json = members.others(block, answer.REDACTED)
        delta.thinking.index = self._thoughts
        delta.thinking.redacted_data = block["data"]

    def _begin_tool_use(self, block: JsonObject, delta: wire.ChoiceDelta) -> None:
        self._calls += 1
        self._input = block.get("input") or {}
        delta.block.kind = wire.BLOCK_KIND_TOOL_CALL
        delta.block.extra_json = members.others(block, answer.TOOL_USE)
        delta.tool_calls.add(index=self._calls, id=block["id"], type="function", name=block["name"])

    def _more(self, event: JsonObject, response: StreamGenerateResponse) -> None:
        self._require_open(event)
        piece = event["delta"]
        if self._kind not in self._BLOCKS:
            self._grow_opaque(piece)
        elif (grow := self._PIECES.get((self._kind, piece["type"]))) is not None:
            grow(self, piece, response)
        elif extra := members.others(piece, frozenset({"type"})):
            response.events.add().deltas.add(block_extra_json=extra)

    def _more_text(self, piece: JsonObject, response: StreamGenerateResponse) -> None:
        response.events.add().deltas.add(content=piece["text"])

    def _more_thinking(self, piece: JsonObject, response: StreamGenerateResponse) -> None:
        thinking = wire.ThinkingDelta(index=self._thoughts, text=piece["thinking"])
        response.events.add().deltas.add(thinking=thinking)

    def _more_signature(self, piece: JsonObject, response: StreamGenerateResponse) -> None:
        thinking = wire.ThinkingDelta(index=self._thoughts, signature=piece["signature"])
        response.events.add().deltas.add(thinking=thinking)

    def _more_input(self, piece: JsonObject, response: StreamGenerateResponse) -> None:
        if arguments := piece["partial_json"]:
            self._input = None
            response.events.add().deltas.add().tool_calls.add(index=self._calls, arguments=arguments)

    def _more_citations(self, piece: JsonObject, response: StreamGenerateResponse) -> None:
        response.events.add().deltas.add(block_extra_json=text_of({"citations": [piece["citation"]]}))

    def _grow_opaque(self, piece: JsonObject) -> None:
        for name, value in piece.items():
            known: Any = self._opaque.get(name)
            if name == "partial_json":
                self._partial.append(value)
            elif name == "citation":
                self._opaque["citations"] = [*(self._opaque.get("citations") or ()), value]
            elif name != "type":
                grows = isinstance(known, str | list) and type(known) is type(value)
                self._opaque[name] = known + value if grows else value

    def _end_block(self, event: JsonObject, response: StreamGenerateResponse) -> None:
        self._require_open(event)
        if self._kind == "tool_use" and self._input is not None:
            response.events.add().deltas.add().tool_calls.add(index=self._calls, arguments=text_of(self._input))
        elif self._kind not in self._BLOCKS:
            if given := "".join(self._partial):
                self._opaque["input"] = jsontext.load(given)
            block = response.events.add().deltas.add().block
            block.kind = wire.BLOCK_KIND_OPAQUE
            block.opaque_json = text_of(self._opaque)
        self._kind = ""

    def _require_begun(self) -> None:
        if not self._begun:
            raise Malformed("the message has not begun")

    def _require_open(self, event: JsonObject) -> None:
        if not self._kind or event["index"] != self._index:
            raise Malformed("a piece belongs to no open block")

    _EVENTS: ClassVar[dict[str, Callable[[EventReader, JsonObject, StreamGenerateResponse], None]]] = {
        "message_start": _start,
        "content_block_start": _begin_block,
        "content_block_delta": _more,
        "content_block_stop": _end_block,
        "message_delta": _end,
    }
    _BLOCKS: ClassVar[dict[str, Callable[[EventReader, JsonObject, wire.ChoiceDelta], None]]] = {
        "text": _begin_text,
        "thinking": _begin_thinking,
        "redacted_thinking": _begin_redacted,
        "tool_use": _begin_tool_use,
    }
    _PIECES: ClassVar[dict[tuple[str, str], Callable[[EventReader, JsonObject, StreamGenerateResponse], None]]] = {
        ("text", "text_delta"): _more_text,
        ("text", "citations_delta"): _more_citations,
        ("thinking", "thinking_delta"): _more_thinking,
        ("thinking", "signature_delta"): _more_signature,
        ("tool_use", "input_json_delta"): _more_input,
    }
