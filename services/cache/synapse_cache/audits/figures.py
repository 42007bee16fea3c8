"""The numbers in short answers, and whether those of two answers agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NAMES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
_SPELLED = {name: value for value, name in enumerate(_NAMES.split())}
# Not inside a name such as A4 or GPT-4; thousands by comma, point, apostrophe or narrow space.
_NUMBER = re.compile(
    r"(?<![\w.])(?<![^\W\d]-)([-+\u2212]?)(\d+(?:[.,'\u00a0\u202f]\d+)*)(?:\s*(thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
_SPELLED_WORDS = 3
_LARGEST_ROUNDING = 0.02
_MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a number: its value, and the value of its last digit that is not a filling zero."""

    value: float
    last_place: float


_Number: TypeAlias = "tuple[_Reading, ...]"


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a text, each with every way to read it, the likeliest first; and the text without them."""

    numbers: tuple[_Number, ...]
    rest: str


def read(text: str) -> Figures:
    """The numbers in `text`; in very short texts spelled ones, too."""
    numbers = tuple(_readings(*found.groups(default="")) for found in _NUMBER.finditer(text))
    rest = _NUMBER.sub(" ", text)
    words = rest.split()
    if not numbers and len(words) <= _SPELLED_WORDS:
        spelled = [_SPELLED.get(word.strip(".,!").casefold()) for word in words]
        numbers = tuple((_Reading(float(value), 1.0),) for value in spelled if value is not None)
        rest = " ".join(word for word, value in zip(words, spelled, strict=True) if value is None)
    return Figures(numbers, rest)


def agreement(first: tuple[_Number, ...], second: tuple[_Number, ...]) -> bool | None:
    """True when both have the same numbers, False when they contradict each other, None when that cannot be told."""
    if sorted(one[0].value for one in first) == sorted(two[0].value for two in second):
        return True
    if len(first) != len(second):
        return None
    met = all(any(_may_meet(one, two) for two in second) for one in first)
    return None if met and all(any(_may_meet(one, two) for one in first) for two in second) else False


def _may_meet(first: _Number, second: _Number) -> bool:
    return any(_near(one, two) for one in first for two in second)


def _near(one: _Reading, two: _Reading) -> bool:
    """Whether one is the other, rounded, or the same share as a percentage."""
    apart, size = abs(one.value - two.value), max(abs(one.value), abs(two.value))
    if apart <= max(one.last_place, two.last_place) / 2 and apart <= _LARGEST_ROUNDING * size:
        return True
    return one.value in {two.value, two.value * 100} or two.value == one.value * 100


def _readings(sign: str, digits: str, scale: str) -> _Number:
    factor = _SCALES.get(scale.lower(), 1.0) * (-1 if sign in {"-", "\u2212"} else 1)
    digits = re.sub(r"['\u00a0\u202f]", "", digits[:_MOST_DIGITS])
    return tuple(_Reading(float(text) * factor, _last_place(text) * abs(factor)) for text in _spellings(digits))


def _spellings(digits: str) -> list[str]:
    """How the digits may be meant, with a point for fractions: 1,234 is hardly ever 1.234 but may be."""
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        fraction = max(".", ",", key=digits.rfind)
        whole, _, part = digits.rpartition(fraction)
        return [re.sub("[.,]", "", whole) + "." + part]
    mark = "." if points else ","
    if points + commas > 1:
        return [digits.replace(mark, "")]
    whole, _, part = digits.partition(mark)
    if not part:
        return [whole]
    plain, grouped = f"{whole}.{part}", whole + part
    if len(part) != 3 or len(whole) > 3 or whole.startswith("0"):
        return [plain]
    return [plain, grouped] if mark == "." else [grouped, plain]


def _last_place(text: str) -> float:
    whole, _, part = text.partition(".")
    if part:
        return float(10 ** -len(part))
    bare = whole.rstrip("0")
    return float(10 ** (len(whole) - len(bare))) if bare else 1.0
