"""Which words of two prompts meet: every word is marked as same, near, moved, opposed or only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import IntEnum
from functools import cache

from synapse_cache.decision.antonyms import ANTONYMS, NEGATIVE_PREFIXES
from synapse_cache.decision.canonical import normal, order
from synapse_cache.decision.opposites import opposites

_NEGATIONS = frozenset(("not", "no", "never", "without", "t", "cannot", "neither", "nor", "none", "cant", "dont"))


class Mark(IntEnum):
    """What an alignment says of a word; PAD also marks the tokens between the texts."""

    PAD = 0
    SAME = 1
    NEAR = 2
    MOVED = 3
    ONLY = 4
    NUMBER = 5
    OPPOSED = 6


SIDES = 2
KINDS = 1 + SIDES * (len(Mark) - 1)


def align(a: Sequence[str], b: Sequence[str]) -> tuple[list[Mark], list[Mark]]:
    """A mark for each word of both prompts; words in lower case, texts tidied."""
    order_a, order_b = order(a), order(b)
    marks_a, marks_b = _aligned([a[place] for place in order_a], [b[place] for place in order_b])
    return _back(marks_a, order_a), _back(marks_b, order_b)


def _back(marks: list[Mark], places: list[int]) -> list[Mark]:
    found = [Mark.ONLY] * len(marks)
    for mark, place in zip(marks, places, strict=True):
        found[place] = mark
    return found


def _aligned(a: list[str], b: list[str]) -> tuple[list[Mark], list[Mark]]:
    forms_a, forms_b = [normal(word) for word in a], [normal(word) for word in b]
    marks_a, marks_b = [Mark.ONLY] * len(a), [Mark.ONLY] * len(b)
    for start_a, start_b, size in SequenceMatcher(None, forms_a, forms_b, autojunk=False).get_matching_blocks():
        for step in range(size):
            met = Mark.SAME if a[start_a + step] == b[start_b + step] else Mark.NEAR
            marks_a[start_a + step] = marks_b[start_b + step] = met
    _mark_moved(forms_a, marks_a, forms_b, marks_b)
    _mark_kinds(forms_a, marks_a, forms_b, marks_b)
    _mark_kinds(forms_b, marks_b, forms_a, marks_a)
    return marks_a, marks_b


def _mark_moved(forms_a: list[str], marks_a: list[Mark], forms_b: list[str], marks_b: list[Mark]) -> None:
    left_b: dict[str, list[int]] = {}
    for place, form in enumerate(forms_b):
        if marks_b[place] is Mark.ONLY:
            left_b.setdefault(form, []).append(place)
    for place, form in enumerate(forms_a):
        if marks_a[place] is Mark.ONLY and left_b.get(form):
            marks_a[place] = marks_b[left_b[form].pop(0)] = Mark.MOVED


def _mark_kinds(forms: list[str], marks: list[Mark], others: list[str], other_marks: list[Mark]) -> None:
    """Tell numbers, negations and opposites among the words that have no match."""
    unmatched = [form for form, mark in zip(others, other_marks, strict=True) if mark > Mark.MOVED]
    for place, form in enumerate(forms):
        if marks[place] is not Mark.ONLY:
            continue
        if form[:1].isdigit():
            marks[place] = Mark.NUMBER
        elif form in _NEGATIONS or any(opposite(form, other) for other in unmatched):
            marks[place] = Mark.OPPOSED


def opposite(one: str, other: str) -> bool:
    """Whether two words are known opposites or differ by a negative prefix or suffix."""
    if frozenset((one, other)) in ANTONYMS or other in _opposed().get(one, ()):
        return True
    if len(one) < 4 or len(other) < 4:
        return False
    if any(one == prefix + other or other == prefix + one for prefix in NEGATIVE_PREFIXES):
        return True
    return one[:-4] == other[:-3] and one.endswith("less") and other.endswith("ful")


@cache
def _opposed() -> dict[str, frozenset[str]]:
    """Opposites by normal form."""
    return {normal(word): frozenset(normal(other) for other in others) for word, others in opposites().items()}


def counts(marks: Sequence[Mark]) -> Counter[Mark]:
    """How often each mark stands."""
    return Counter(marks)
