"""Batches of encoded pairs, for training and for scoring many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synapse_cache.adapters.verifier_encoding import Encoded


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
