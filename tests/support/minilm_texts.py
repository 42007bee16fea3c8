"""The bundled model behind the doubles of embedding servers: real vectors, real tokens, each text computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synapse_embed.adapters import minilm, minilm_files
from synapse_embed.model import Tokens

WINDOW = minilm.WINDOW


@dataclass(frozen=True)
class Read:
    """A text as the model reads it: its vector of length one, the tokens it sees, whether the text went on."""

    vector: NDArray[np.float32]
    tokens: int
    too_long: bool


@cache
def read(text: str) -> Read:
    """The text, cut at the window."""
    tokens = _model().tokenise(text)
    return Read(_vector(tuple(tokens.ids)), len(tokens.ids), tokens.truncated)


def vectors_of(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """The vectors of padded token ids."""
    rows: Sequence[tuple[int, ...]] = [
        tuple(row[:length].tolist()) for row, length in zip(ids, mask.sum(axis=1), strict=True)
    ]
    return np.stack([_vector(row) for row in rows])


@cache
def tokenizer() -> Path:
    """The model's tokenizer.json."""
    return minilm_files.find().tokeniser


def cosine(one: str, other: str) -> float:
    """How near two texts are."""
    return float(read(one).vector @ read(other).vector)


@cache
def _vector(ids: tuple[int, ...]) -> NDArray[np.float32]:
    return np.frombuffer(_model().encode([Tokens(ids, truncated=False)])[0], np.float32)


@cache
def _model() -> minilm.MiniLm:
    return minilm.load()
