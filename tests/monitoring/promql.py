"""What a PromQL expression asks for: names of metrics, their labels, and the words that these must have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w:])([a-zA-Z_:][\w:]*+)(?!\s*\()\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_NOISE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+|\b\d+(?:\.\d+)?\w*")
_WORDS = frozenset({"and", "or", "unless", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"})
_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Matcher:
    """A condition of a selector."""

    label: str
    operator: str
    value: str

    @property
    def words(self) -> list[str]:
        """The values that it names in full; none where it is a pattern or a variable."""
        found = re.split(r"[|()]", self.value) if "~" in self.operator else [self.value]
        return [word for word in found if re.fullmatch(r"[\w-]+", word)]


@dataclass(frozen=True)
class Selector:
    """One metric as an expression asks for it."""

    metric: str
    matchers: tuple[Matcher, ...]


def selectors(expression: str) -> Iterator[Selector]:
    """Every selector of the expression, in order."""
    for name, matchers in _SELECTOR.findall(_quiet(_GROUPING.sub(" ", expression))):
        if name not in _WORDS:
            yield Selector(name, tuple(Matcher(*found) for found in _MATCHER.findall(matchers)))


def grouped_by(expression: str) -> set[str]:
    """Labels that the expression groups or joins by."""
    return {name.strip() for found in _GROUPING.findall(expression) for name in found.split(",") if name.strip()}


def family(metric: str) -> str:
    """The name under which a service declares `metric`: that of a histogram for its parts."""
    return next((metric.removesuffix(part) for part in _PARTS if metric.endswith(part)), metric)


def _quiet(text: str) -> str:
    pieces = re.split(r'("[^"]*")', text)
    return "".join(piece if piece.startswith('"') else _NOISE.sub(" ", piece) for piece in pieces)
