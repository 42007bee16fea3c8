"""Tool calls of a stream put one behind the other: Anthropic's grammar has a block for each, and no two at once."""

from __future__ import annotations

from collections.abc import Iterator

from synapse.llm.v1 import generation_pb2
from synapse_gateway.anthropic.answer import is_object

Piece = generation_pb2.ToolCallDelta


class Calls:
    """Says which pieces of calls may be told now; those of other calls than the open one wait until it is whole.

    Backends tell calls one after the other nearly always; then nothing ever waits.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._arguments: list[str] = []
        self._waiting: dict[int, list[Piece]] = {}
        self._done: set[int] = set()

    def take(self, piece: Piece) -> Iterator[tuple[bool, Piece]]:
        """The pieces to tell now that `piece` came, each with whether it begins a call."""
        if piece.index in self._done:
            return  # its arguments were whole: more text could only break them
        if piece.index == self._open:
            self._arguments.append(piece.arguments)
            yield False, piece
            return
        self._waiting.setdefault(piece.index, []).append(piece)
        while self._waiting and (self._open is None or is_object("".join(self._arguments))):
            yield from self._next()

    def rest(self) -> Iterator[tuple[bool, Piece]]:
        """The pieces that wait still, told when something else than a call follows."""
        while self._waiting:
            yield from self._next()
        if self._open is not None:
            self._done.add(self._open)
        self._open = None

    def _next(self) -> Iterator[tuple[bool, Piece]]:
        if self._open is not None:
            self._done.add(self._open)
        self._open = next(iter(self._waiting))
        pieces = self._waiting.pop(self._open)
        self._arguments = [piece.arguments for piece in pieces]
        for number, piece in enumerate(pieces):
            yield number == 0, piece
