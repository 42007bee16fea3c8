"""Which words of two prompts meet: every word is marked as same, near, moved, opposed or only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import IntEnum

from synapse_cache.decision.antonyms import ANTONYMS, NEGATIVE_PREFIXES
from synapse_cache.decision.numbers import NUMBER_WORDS
from synapse_cache.decision.stems import lemma

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


def normal(word: str) -> str:
    """The form under which spellings of one word meet; `word` is in lower case."""
    if word in NUMBER_WORDS:
        return str(NUMBER_WORDS[word])
    return lemma(word)


def align(a: Sequence[str], b: Sequence[str]) -> tuple[list[Mark], list[Mark]]:
    """A mark for each word of both prompts; words in lower case."""
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
    if frozenset((one, other)) in ANTONYMS:
        return True
    if len(one) < 4 or len(other) < 4:
        return False
    if any(one == prefix + other or other == prefix + one for prefix in NEGATIVE_PREFIXES):
        return True
    return one[:-4] == other[:-3] and one.endswith("less") and other.endswith("ful")


def counts(marks: Sequence[Mark]) -> Counter[Mark]:
    """How often each mark stands."""
    return Counter(marks)
