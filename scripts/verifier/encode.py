"""Two prompts as the arrays that the network reads: token ids and alignment marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.alignment import Mark, align
from scripts.verifier.canonical import tidy

MAX_TOKENS_A_SIDE = 62
_CLS, _SEP, _PAD = 101, 102, 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """[CLS] a [SEP] b [SEP] as ids, and a kind for each: 0 between the texts, 1-6 for a's marks, 7-12 for b's."""

    ids: list[int]
    kinds: list[int]


class Encoder:
    """Encodes pairs; `aligned` False marks the sides only (an ablation)."""

    def __init__(self, tokeniser: Path, *, aligned: bool = True) -> None:
        from tokenizers import Tokenizer

        self._tokeniser: Any = Tokenizer.from_file(str(tokeniser))
        self._tokeniser.no_padding()
        self._tokeniser.no_truncation()
        self._aligned = aligned

    def __call__(self, a: str, b: str) -> Encoded:
        """One pair; what lies behind MAX_TOKENS_A_SIDE is cut."""
        ids_a, words_a, texts_a = self._read(a)
        ids_b, words_b, texts_b = self._read(b)
        if self._aligned:
            marks_a, marks_b = align(texts_a, texts_b)
        else:
            marks_a, marks_b = [Mark.SAME] * len(texts_a), [Mark.SAME] * len(texts_b)
        sides = len(Mark) - 1
        kinds = [0, *(int(marks_a[w]) for w in words_a), 0, *(sides + int(marks_b[w]) for w in words_b), 0]
        return Encoded([_CLS, *ids_a, _SEP, *ids_b, _SEP], kinds)

    def _read(self, text: str) -> tuple[list[int], list[int], list[str]]:
        """Ids, the word of each id, and the words in lower case."""
        found = self._tokeniser.encode(tidy(text), add_special_tokens=False)
        ids, places = found.ids[:MAX_TOKENS_A_SIDE], found.word_ids[:MAX_TOKENS_A_SIDE]
        texts: list[str] = []
        words: list[int] = []
        last = None
        for token, place in zip(found.tokens[:MAX_TOKENS_A_SIDE], places, strict=True):
            if place != last:
                texts.append("")
                last = place
            texts[-1] += token.removeprefix("##") if texts[-1] else token
            words.append(len(texts) - 1)
        return ids, words, texts


def pad(batch: Sequence[Encoded]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ids, kinds and mask, each (pairs, tokens)."""
    width = max(len(one.ids) for one in batch)
    ids, kinds, mask = (np.zeros((len(batch), width), np.int64) for _ in range(3))
    for row, one in enumerate(batch):
        ids[row, : len(one.ids)] = one.ids
        kinds[row, : len(one.kinds)] = one.kinds
        mask[row, : len(one.ids)] = 1
    return ids, kinds, mask


def by_length(encoded: Sequence[Encoded], size: int) -> Iterator[list[int]]:
    """Batches of places, texts of like length together."""
    order = sorted(range(len(encoded)), key=lambda place: len(encoded[place].ids))
    for start in range(0, len(order), size):
        yield order[start : start + size]
