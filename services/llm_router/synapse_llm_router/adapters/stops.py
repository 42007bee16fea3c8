"""Texts that end an answer, cut off where the backend leaves them in: callers are promised answers without them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


def without_stop(text: str, stops: Sequence[str]) -> tuple[str, str]:
    """`text` without the one of `stops` in which it ends, and that one ("" for none)."""
    stop = next((stop for stop in stops if stop and text.endswith(stop)), "")
    return text[: len(text) - len(stop)], stop


class StopCutter(Generic[T]):
    """Holds back what may be the beginning of a stop text until it is known whether it is one.

    Each piece may come with a token's data, which is told with the first character of the piece.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(filter(None, stops))
        self._held = ""
        self._told = 0
        self._tokens: deque[tuple[int, T]] = deque()

    def add(self, text: str, token: T | None = None) -> tuple[str, list[T]]:
        """Take the next piece; returns the text and the tokens that can be told by now."""
        if token is not None:
            self._tokens.append((self._told + len(self._held), token))
        self._held += text
        return self._tell(len(self._held) - max(map(self._overlap, self._stops), default=0))

    def end(self) -> tuple[str, list[T], str]:
        """The answer is at its end: the rest without the stop text in which it ends, and that text ("" for none)."""
        rest, stop = without_stop(self._held, self._stops)
        text, tokens = self._tell(len(rest))
        if not stop:
            tokens.extend(token for _, token in self._tokens)
        return text, tokens, stop

    def _tell(self, count: int) -> tuple[str, list[T]]:
        text, self._held = self._held[:count], self._held[count:]
        self._told += count
        tokens = []
        while self._tokens and self._tokens[0][0] < self._told:
            tokens.append(self._tokens.popleft()[1])
        return text, tokens

    def _overlap(self, stop: str) -> int:
        """How many characters at the end of what is held may be the beginning of `stop`."""
        longest = min(len(stop), len(self._held))
        return next((count for count in range(longest, 0, -1) if self._held.endswith(stop[:count])), 0)
