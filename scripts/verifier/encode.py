"""Batches of encoded pairs, for training and for scoring many at once."""

from __future__ import annotations

from collections.abc import Sequence

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
