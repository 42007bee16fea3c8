"""The blocks of a streamed answer, one behind the other: what comes ends the block before and begins its own."""

from __future__ import annotations

from typing import Any

from synapse.llm.v1 import content_pb2, generation_pb2
from synapse_gateway.anthropic.answer import merged, thinking, tool_opening
from synapse_gateway.anthropic.calls import Calls, Piece
from synapse_gateway.anthropic.events import block_stop, delta, delta_opening, event
from synapse_runtime import jsontext

TEXT, REFUSAL = "text", "refusal"
PLAIN_THOUGHTS = -1
"""The position of thoughts in plain text, which are no signed block."""
_THINKING, _CALL, _OPAQUE = "thinking", "call", "opaque"
_KINDS = {
    generation_pb2.BLOCK_KIND_TEXT: TEXT,
    generation_pb2.BLOCK_KIND_THINKING: _THINKING,
    generation_pb2.BLOCK_KIND_TOOL_CALL: _CALL,
}


class BlockWriter:
    """Appends the events of blocks to `out`, the list that each method is given.

    A block may be announced before its content comes; only then is it known how it begins. `bare` is what stands before
    a piece of text of the open block, None while no such block is open; `own` says whether members of a call without a
    field are Anthropic's.
    """

    def __init__(self) -> None:
        self.own = True
        self.bare: bytes | None = None
        self._index = -1
        self._open = ""
        self._announced: generation_pb2.ContentBlock | None = None
        self._thought = PLAIN_THOUGHTS
        self._calls = Calls()

    def announce(self, block: generation_pb2.ContentBlock, out: list[bytes]) -> None:
        """A block begins; one without a field comes whole."""
        self.close(out)
        if block.kind != generation_pb2.BLOCK_KIND_OPAQUE:
            self._announced = block
        elif block.opaque_json:
            self._begin(_OPAQUE, merged(jsontext.load(block.opaque_json), block.extra_json), out)
            self._stop(out)

    def say(self, kind: str, text: str, out: list[bytes]) -> None:
        """More of a text, or of a refusal."""
        if self._open != kind:
            self._begin(kind, {"type": "text", "text": ""}, out)
            self.bare = delta_opening(self._index, "text_delta") if kind == TEXT else None
        out.append(delta(delta_opening(self._index, "text_delta"), text))

    def think(self, block: content_pb2.Thinking, position: int, out: list[bytes]) -> None:
        """More of the thinking block at `position`."""
        if self._open != _THINKING or position != self._thought:
            self._begin(_THINKING, thinking(content_pb2.Thinking(redacted_data=block.redacted_data)), out)
            self._thought = position
        if block.text:
            out.append(delta(delta_opening(self._index, "thinking_delta"), block.text))
        if block.signature:
            out.append(delta(delta_opening(self._index, "signature_delta"), block.signature))

    def call(self, given: Piece, out: list[bytes]) -> None:
        """More of a tool call."""
        if self._open != _CALL and self._announced is None:
            self.close(out)
        for begins, piece in self._calls.take(given):
            self._tell_call(piece, out, begins=begins)

    def grow(self, members: dict[str, Any], out: list[bytes]) -> None:
        """More members of the block that began last: of texts the citations, for others there is no event."""
        if self._announced is not None:
            self._begin_announced(out)
        if self._open == TEXT:
            opening = delta_opening(self._index, "citations_delta")
            out.extend(delta(opening, citation) for citation in members.get("citations") or ())

    def close(self, out: list[bytes]) -> None:
        """End whatever is open, announced or waits."""
        if self._announced is not None:
            self._begin_announced(out)
        if self._open == _CALL:
            for begins, piece in self._calls.rest():
                self._tell_call(piece, out, begins=begins)
        self._stop(out)

    def _tell_call(self, piece: Piece, out: list[bytes], *, begins: bool) -> None:
        if begins:
            if self._open == _CALL:
                self._stop(out)
            extra = piece.extra_json if self.own else ""
            self._begin(_CALL, merged(tool_opening(piece.id, piece.name), extra), out)
        if piece.arguments:
            out.append(delta(delta_opening(self._index, "input_json_delta"), piece.arguments))

    def _begin(self, kind: str, block: dict[str, Any], out: list[bytes]) -> None:
        """Begin a block, with the members that it was announced with; what was open ends."""
        if self._announced is None or _KINDS.get(self._announced.kind) != kind:
            self.close(out)
        if self._announced is not None:
            block = merged(block, self._announced.extra_json)
            self._announced = None
        self._index += 1
        self._open = kind
        out.append(event("content_block_start", {"index": self._index, "content_block": block}))

    def _begin_announced(self, out: list[bytes]) -> None:
        """Begin a block of which nothing came but its announcement; a call without a name is none."""
        kind = _KINDS.get(self._announced.kind) if self._announced is not None else None
        if kind == TEXT:
            self._begin(TEXT, {"type": "text", "text": ""}, out)
        elif kind == _THINKING:
            self._begin(_THINKING, thinking(content_pb2.Thinking()), out)
        self._announced = None

    def _stop(self, out: list[bytes]) -> None:
        if self._open:
            out.append(block_stop(self._index))
        self._open, self.bare = "", None
