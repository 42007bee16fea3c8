"""JSON lines: whether a client sends or accepts them, and a body taken apart into them as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from synapse_gateway.problems import Problem

TYPES = ("application/x-ndjson", "application/jsonl", "application/ndjson")
_CLIENT_LEFT = 499
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank; `number` counts from 1 and all of them. `raw` is None where it was too long."""

    number: int
    raw: bytes | None


def type_sent(headers: Mapping[bytes, bytes]) -> str:
    """The media type of a request's body, without parameters, in lower case; empty when it is not told."""
    return headers.get(b"content-type", b"").decode("ascii", "replace").partition(";")[0].strip().lower()


def type_accepted(headers: Mapping[bytes, bytes]) -> str:
    """The media type of lines that the client names first among those it accepts; empty when it names none."""
    asked = headers.get(b"accept", b"").decode("ascii", "replace").lower().split(",")
    return next((name for one in asked if (name := one.partition(";")[0].strip()) in TYPES), "")


async def lines_of(receive: Receive, *, longest: int) -> AsyncGenerator[Line, None]:
    """The lines of a body; no more of it is held than one piece and one line of at most `longest` bytes.

    Raises Problem 499 when the client leaves before the end.
    """
    splitter = _Splitter(longest)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(_CLIENT_LEFT, "The client left.", fault="caller_left")
        more = message.get("more_body", False)
        for line in splitter.add(message.get("body", b""), last=not more):
            yield line


class _Splitter:
    """Cuts pieces of a body into lines; what goes beyond the longest line is passed over and not kept."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._number = 0
        self._begun: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes, *, last: bool) -> list[Line]:
        """The lines that end with `piece`."""
        *ended, rest = piece.split(b"\n")
        lines = [line for part in ended if (line := self._end(part)) is not None]
        self._keep(rest)
        if last and (line := self._end(b"")) is not None:
            lines.append(line)
        return lines

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._begun.clear()
        elif part:
            self._begun.append(part)

    def _end(self, part: bytes) -> Line | None:
        self._keep(part)
        raw = b"".join(self._begun).strip() if self._size <= self._longest else None
        self._number += 1
        self._begun.clear()
        self._size = 0
        return None if raw == b"" else Line(self._number, raw)
