"""Cheap features of a pair for the combiner: each is written so that more means "more likely the same answer"."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from synapse_cache.decision import VetoReason, analyse, veto
from synapse_cache.decision.alignment import Mark, align
from synapse_cache.decision.canonical import normal, tidy

_WORD = re.compile(r"[a-z]+|\d[\d,.:]*|[^\w\s]")
_FILLING = frozenset(
    [
        "hi",
        "hello",
        "hey",
        "please",
        "thanks",
        "thank",
        "you",
        "quick",
        "question",
        "good",
        "morning",
        "can",
        "could",
        "would",
        "tell",
        "me",
        "a",
        "an",
        "the",
        "do",
        "does",
        "is",
        "are",
        "i",
        "what",
        "s",
        "to",
        "of",
        "in",
        "it",
        "so",
        "my",
        "for",
        "?",
        "!",
        ".",
        ",",
    ],
)
# Reasons that name one telling edit; the others say only that some word has no match.
HARD = frozenset((
    VetoReason.PRIVATE, VetoReason.CODE, VetoReason.QUOTED, VetoReason.IDENTIFIER, VetoReason.NUMBER, VetoReason.UNIT,
    VetoReason.DATE, VetoReason.VERSION, VetoReason.NEGATION, VetoReason.ANTONYM, VetoReason.FORMAT,
    VetoReason.LANGUAGE, VetoReason.PROGRAMMING, VetoReason.OTHER_LANGUAGE, VetoReason.TOO_LONG,
))  # fmt: skip
NAMES = (
    "cosine", "passes_veto", "passes_hard", "same_share", "moved", "content_only", "numbers", "opposed", "trigrams",
    "length", "shared_weight",
)  # fmt: skip


def features(a: str, b: str, cosine: float) -> NDArray[np.float64]:
    """The row of `NAMES` for one pair; `cosine` is the embedder's."""
    words_a, words_b = _WORD.findall(tidy(a).lower()), _WORD.findall(tidy(b).lower())
    marks_a, marks_b = align(words_a, words_b)
    both = Counter(marks_a) + Counter(marks_b)
    total = max(1, len(words_a) + len(words_b))
    only = [
        word
        for words, marks in ((words_a, marks_a), (words_b, marks_b))
        for word, mark in zip(words, marks, strict=True)
        if mark is Mark.ONLY and word not in _FILLING
    ]
    content_a, content_b = _content(words_a), _content(words_b)
    reason = veto(analyse(a), analyse(b))
    shared = len(content_a & content_b) / max(1, len(content_a | content_b))
    return np.array(
        [
            cosine,
            float(reason is None),
            float(reason not in HARD),
            (both[Mark.SAME] + both[Mark.NEAR]) / total,
            -both[Mark.MOVED] / total,
            -len(only) / total,
            -float(both[Mark.NUMBER]),
            -float(both[Mark.OPPOSED]),
            _trigrams(a.lower(), b.lower()),
            -abs(len(words_a) - len(words_b)) / total,
            shared,
        ]
    )


def _content(words: list[str]) -> set[str]:
    return {normal(word) for word in words if word not in _FILLING}


def _trigrams(a: str, b: str) -> float:
    one, two = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (a, b))
    return len(one & two) / max(1, len(one | two))
