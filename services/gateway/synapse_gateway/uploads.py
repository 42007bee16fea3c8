"""Bodies of many messages: lines or elements of a JSON body as requests of a client-streamed RPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from synapse_gateway.lines import TYPES
from synapse_gateway.problems import Problem, invalid, wrong_type
from synapse_runtime import jsontext

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from synapse_gateway.lines import Line
    from synapse_gateway.transcoding import Binding

_NUMBER, _UNREADABLE = "line", "unreadable"
"""Fields of the request: which line it is, and why nothing could be read from it."""


def unsupported(media_type: str) -> Problem:
    """415: a body of another type than those that many messages come in."""
    message = f"The body must be {', '.join(TYPES)} or application/json, not {media_type or 'of no type'}."
    return Problem(415, message, code="unsupported_media_type")


class Upload:
    """Makes requests of `binding`; its query parameters go into each. Raises Problem 400 for those."""

    def __init__(self, binding: Binding, query: str) -> None:
        self._binding = binding
        self._usual: Any = binding.parameters(query)
        self._before = max(getattr(self._usual, _NUMBER, 0), 1) - 1

    async def from_lines(self, lines: AsyncGenerator[Line, None]) -> AsyncGenerator[Message, None]:
        """A request for each line; for one that cannot be read, a request that says why."""
        async with aclosing(lines):
            async for line in lines:
                yield self._of_line(line)

    async def from_array(self, raw: bytes) -> AsyncGenerator[Message, None]:
        """A request for each element of a JSON array; raises Problem 400 when it is none."""
        try:
            elements = jsontext.load(raw)
        except (ValueError, RecursionError) as error:
            raise invalid(f"The body of the request is not valid JSON: {error}", code="invalid_json") from error
        if not isinstance(elements, list):
            raise wrong_type("body", "an array", elements)
        for number, element in enumerate(elements, start=1):
            yield self._of(number, element)

    def _of_line(self, line: Line) -> Message:
        if line.raw is None:
            return self._refused(line.number, "the line is too long")
        try:
            return self._of(line.number, jsontext.load(line.raw))
        except (ValueError, RecursionError):
            return self._refused(line.number, "the line is not JSON")

    def _of(self, number: int, element: Any) -> Message:
        if not isinstance(element, dict):
            return self._refused(number, "it is not a JSON object")
        try:
            message = self._binding.element(element)
        except Problem as problem:
            return self._refused(number, problem.message)
        message.MergeFrom(self._usual)
        return self._numbered(message, number)

    def _refused(self, number: int, why: str) -> Message:
        message = type(self._usual)()
        setattr(message, _UNREADABLE, why)
        return self._numbered(message, number)

    def _numbered(self, message: Any, number: int) -> Message:
        setattr(message, _NUMBER, self._before + number)
        numbered: Message = message
        return numbered
