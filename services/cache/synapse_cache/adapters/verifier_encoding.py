"""Two prompts as the arrays that the verifier reads: token ids and alignment marks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from synapse_cache.decision.alignment import Mark, align
from synapse_cache.decision.canonical import tidy

MAX_TOKENS_A_SIDE = 62
_CLS, _SEP = 101, 102
_READ_TEXTS = 1_024


@dataclass(frozen=True, slots=True)
class Encoded:
    """[CLS] a [SEP] b [SEP] as ids, and a kind for each: 0 between the texts, 1-6 for a's marks, 7-12 for b's.

    `whole` is false when a text was longer than MAX_TOKENS_A_SIDE and its end is not there.
    """

    ids: list[int]
    kinds: list[int]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Read:
    """A text's ids, the word that each is part of, the words in lower case, and whether that is all of it."""

    ids: list[int]
    places: list[int]
    words: list[str]
    whole: bool


class Encoder:
    """Encodes pairs with the word pieces of `tokeniser`; `aligned` False marks the sides only (an ablation)."""

    def __init__(self, tokeniser: Path, *, aligned: bool = True) -> None:
        self._tokeniser: Any = import_module("tokenizers").Tokenizer.from_file(str(tokeniser))
        self._tokeniser.no_padding()
        self._tokeniser.no_truncation()
        self._aligned = aligned
        self._read = lru_cache(_READ_TEXTS)(self._read_text)

    def __call__(self, a: str, b: str) -> Encoded:
        """One pair."""
        one, two = self._read(a), self._read(b)
        if self._aligned:
            marks_a, marks_b = align(one.words, two.words)
        else:
            marks_a, marks_b = [Mark.SAME] * len(one.words), [Mark.SAME] * len(two.words)
        sides = len(Mark) - 1
        kinds = [0, *(int(marks_a[p]) for p in one.places), 0, *(sides + int(marks_b[p]) for p in two.places), 0]
        return Encoded([_CLS, *one.ids, _SEP, *two.ids, _SEP], kinds, one.whole and two.whole)

    def _read_text(self, text: str) -> _Read:
        found = self._tokeniser.encode(tidy(text), add_special_tokens=False)
        most = MAX_TOKENS_A_SIDE
        words: list[str] = []
        places: list[int] = []
        last = None
        for token, place in zip(found.tokens[:most], found.word_ids[:most], strict=True):
            if place != last:
                words.append("")
                last = place
            words[-1] += token.removeprefix("##") if words[-1] else token
            places.append(len(words) - 1)
        return _Read(found.ids[:most], places, words, len(found.ids) <= most)
