"""A model without weights: hashed words, equal words in any order give equal vectors. For tests and small machines."""

from __future__ import annotations

import hashlib
import math
import re
from array import array
from collections.abc import Sequence

from synapse_embed.model import ModelCard, Tokens

_WORD = re.compile(r"\w+|[^\w\s]")
_START = 0
_START_WEIGHT = 0.1
_FEATURES = 4
_FEATURE_BITS = 16


class HashingModel:
    """A LocalModel: every word adds a sign to four of `dimension` components, then the length is made one."""

    def __init__(self, *, dimension: int = 384, max_tokens: int = 256) -> None:
        self.card = ModelCard(
            id="hashing",
            backend="hashing",
            revision="1",
            dimension=dimension,
            max_tokens=max_tokens,
            pooling="sum",
        )

    def tokenise(self, text: str) -> Tokens:
        """See LocalModel; a token is a word's hash, after one that starts every text."""
        words = _WORD.findall(text.lower())
        room = self.card.max_tokens - 1
        return Tokens([_START, *map(_hash, words[:room])], truncated=len(words) > room)

    def encode(self, batch: Sequence[Tokens]) -> list[bytes]:
        """See LocalModel."""
        return [self._vector(tokens.ids) for tokens in batch]

    def _vector(self, ids: Sequence[int]) -> bytes:
        values = [0.0] * self.card.dimension
        values[0] = _START_WEIGHT  # no sum of whole numbers takes it away, so no vector is zero
        for token in ids[1:]:
            for feature in range(_FEATURES):
                bits = token >> (feature * _FEATURE_BITS) & ((1 << _FEATURE_BITS) - 1)
                values[(bits >> 1) % self.card.dimension] += 1.0 if bits & 1 else -1.0
        length = math.sqrt(sum(value * value for value in values))
        return array("f", (value / length for value in values)).tobytes()


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=_FEATURES * _FEATURE_BITS // 8).digest(), "big")
