"""The cached analysis of one prompt: everything the veto compares, computed once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from synapse_cache.decision import lexicon as lex
from synapse_cache.decision.clause import Clause, build
from synapse_cache.decision.questions import Question, read_question
from synapse_cache.decision.reading import read_words
from synapse_cache.decision.stems import known
from synapse_cache.decision.tokens import take_apart, tokens
from synapse_cache.decision.wrappers import Ask, strip

ANALYSIS_CACHE_PROMPTS = 2048
MAX_ANALYSED_CHARS = 4000
_SHARED_WORDS = 2

# An e-mail address, a long account or card number, an IBAN: the answer is about that one person or account.
_PRIVATE = re.compile(
    r"[\w+-]@[\w-]+\.\w|\b\d{9,}\b|\b(?:\d{4}[ -]){3}\d{3,4}\b|\b\d{3}-\d{2}-\d{4}\b"
    r"|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}",
)
_DIGIT_OR_AT = re.compile(r"[\d@]")
_PUNCTUATION = frozenset("¿¡。？！、，；：．・「」『』（）؟،؛।॥…")
"""Marks that end or frame a sentence in other scripts; like ours they say nothing of what is asked."""
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """What one prompt asks, in comparable form; tuples are sorted where order carries no meaning.

    `english` says that the English rules apply, `clear` that nothing else is likely: a few words in plain letters may
    be of any language.
    """

    text: str
    literal: tuple[str, ...]
    comparable: bool
    private: bool
    english: bool
    clear: bool
    code: tuple[str, ...]
    quoted: tuple[str, ...]
    tags: tuple[str, ...]
    question: Question
    clause: Clause


@lru_cache(maxsize=ANALYSIS_CACHE_PROMPTS)
def analyse(text: str) -> TextFeatures:
    """Analyse one prompt; the latest `ANALYSIS_CACHE_PROMPTS` results are kept."""
    comparable = len(text) <= MAX_ANALYSED_CHARS
    parts = take_apart(text if comparable else "")
    english = _is_english(parts.plain)
    literal = () if english else _literal(parts.plain)
    core, asked = strip(parts.plain) if english else ("", Ask.OPEN)
    words = read_words(tokens(core), slots=(parts.code, parts.quoted), shouted=core.isupper())
    question, rest = read_question(words, asked)
    return TextFeatures(
        text=text,
        literal=literal,
        comparable=comparable,
        private=_DIGIT_OR_AT.search(text) is not None and _PRIVATE.search(text) is not None,
        english=english,
        clear=english and _is_clear(parts.plain),
        code=parts.code,
        quoted=parts.quoted,
        tags=parts.tags,
        question=question,
        clause=build(rest, kind=question.kind),
    )


def _literal(plain: str) -> tuple[str, ...]:
    """The words and symbols of a text as they stand, but for case; dashes and punctuation apart."""
    found = tokens(unicodedata.normalize("NFC", plain).casefold())
    return tuple(
        spelling for kind, spelling in found if kind not in {"break", "joint"} and spelling not in _PUNCTUATION
    )


def _is_english(plain: str) -> bool:
    """Whether the English rules may be trusted: ASCII letters, English words, not another tongue."""
    words = _WORDS.findall(plain.lower())
    if not plain.isascii() and not all(word.isascii() for word in words):
        return False
    foreign = _count(words, lex.FOREIGN_MARKERS)
    native = _count(words, lex.ENGLISH_MARKERS)
    if foreign:
        return native > foreign
    return native > 0 or len(words) <= 3 or any(known(word) for word in words)


def _is_clear(plain: str) -> bool:
    """Whether a text that may be English is hardly anything else: by a word of it alone, or two that others share."""
    words = _WORDS.findall(plain.lower())
    if any(word in lex.ENGLISH_ALONE for word in words):
        return True
    return sum(word in lex.ENGLISH_MARKERS or known(word) for word in words) >= _SHARED_WORDS


def _count(words: Iterable[str], markers: frozenset[str]) -> int:
    return sum(word in markers for word in words)


__all__ = ["ANALYSIS_CACHE_PROMPTS", "MAX_ANALYSED_CHARS", "TextFeatures", "analyse"]
