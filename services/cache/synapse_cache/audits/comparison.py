"""Do two answers to one question say the same? A cautious comparison: what cannot be settled is left open.

Two good answers in prose are hardly ever worded alike, so prose that differs proves nothing. Different are only answers
that leave no room for wording: short ones, opposite openings, other numbers, other values, other calls of tools.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from synapse_cache.audits import figures, wording

_PLAIN_WORDS = 12
_DEEPEST = 16
_LONGEST = 50_000


class Likeness(StrEnum):
    """Whether two answers say the same."""

    SAME = "same"
    DIFFERENT = "different"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict, and the rule that came to it as a short stable word."""

    likeness: Likeness
    reason: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool; `arguments` are the text that the model wrote."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, out of its wire form."""

    text: str
    uses: tuple[ToolUse, ...] = ()
    refuses: bool = False


def compare(first: Said, second: Said) -> Comparison:
    """Whether two answers say the same."""
    if first == second:
        return _same("exact")
    if first.refuses != second.refuses:
        return _open("refusal")
    if bool(first.uses) != bool(second.uses):
        return _open("tool_or_text")
    if first.uses:
        return _compare_uses(first.uses, second.uses)
    return compare_texts(first.text, second.text)


def compare_texts(first: str, second: str) -> Comparison:
    """Whether two texts say the same: by the first of the rules that knows."""
    first, second = first.strip(), second.strip()
    if first == second:
        return _same("exact")
    if not first or not second:
        return _open("empty")
    if max(len(first), len(second)) > _LONGEST:
        return _open("long")
    data = wording.data_in(first), wording.data_in(second)
    if data[0] is not None and data[1] is not None:
        return _compare_data(data[0], data[1], _DEEPEST)
    if wording.has_code(first) or wording.has_code(second):
        return _same("layout") if wording.without_layout(first) == wording.without_layout(second) else _open("code")
    return _compare_prose(first, second)


def _compare_prose(first: str, second: str) -> Comparison:
    words = wording.words_of(first), wording.words_of(second)
    if words[0] == words[1]:
        return _same("normalised") if words[0] else _open("symbols")
    poles = wording.pole_of(first), wording.pole_of(second)
    if all(poles):
        if poles[0] != poles[1]:
            return _different("opposite")
        if min(map(len, words)) == 1:  # "Yes." and "Yes, it is."
            return _same("pole")
    if max(map(len, words)) > _PLAIN_WORDS:
        return _open("prose")
    return _compare_plain(first, second)


def _compare_plain(first: str, second: str) -> Comparison:
    """Whether two short answers say the same: by their numbers, and by their words where there are hardly any."""
    one, two = figures.read(first), figures.read(second)
    agree = figures.agreement(one.numbers, two.numbers)
    if agree is False:
        return _different("number")
    words = wording.words_of(one.rest), wording.words_of(two.rest)
    if agree and one.numbers and words[0] == words[1]:
        return _same("number")
    if not (wording.is_short(first) and wording.is_short(second)):
        return _open("prose")
    if agree is None:
        return _open("form")
    return _open("form") if wording.may_mean_the_same(*words) else _different("short")


def _compare_uses(first: tuple[ToolUse, ...], second: tuple[ToolUse, ...]) -> Comparison:
    if [use.name for use in first] != [use.name for use in second]:
        return _different("tool")
    return _all([compare_texts(one.arguments, two.arguments) for one, two in zip(first, second, strict=True)])


def _compare_data(first: object, second: object, depth: int) -> Comparison:
    """Whether two values of JSON say the same; other members and fractions are left open."""
    if first == second and type(first) is type(second):
        return _same("data")
    if depth == 0 or type(first) is not type(second):
        return _open("data")
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        return _all([_compare_data(first[name], second[name], depth - 1) for name in first])
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return _all([_compare_data(one, two, depth - 1) for one, two in zip(first, second, strict=True)])
    return _open("data") if isinstance(first, dict | list) else _compare_values(first, second)


def _compare_values(first: object, second: object) -> Comparison:
    """Whether two values of JSON of one type, not equal and without members, say the same."""
    if isinstance(first, str) and isinstance(second, str):
        return compare_texts(first, second)
    return _open("data") if isinstance(first, float) else _different("value")


def _all(parts: list[Comparison]) -> Comparison:
    """The verdict on a whole: different if a part is, open if one is."""
    for likeness in (Likeness.DIFFERENT, Likeness.OPEN):
        for part in parts:
            if part.likeness is likeness:
                return part
    return _same("parts")


def _same(reason: str) -> Comparison:
    return Comparison(Likeness.SAME, reason)


def _different(reason: str) -> Comparison:
    return Comparison(Likeness.DIFFERENT, reason)


def _open(reason: str) -> Comparison:
    return Comparison(Likeness.OPEN, reason)
