"""Vectors of prompts in a byte a dimension: enough to rank the log by likeness, and too coarse to decide anything."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from synapse_cache.model import Embedding

_SPACE_BYTES = 4
_FULL = 127.0


def sketch_of(embedding: Embedding) -> bytes:
    """The vector in 4 bytes that tell its space and a signed byte a dimension."""
    vector = embedding.vector
    largest = float(np.abs(vector).max(initial=0.0)) or 1.0
    space = zlib.crc32(embedding.fingerprint.encode()).to_bytes(_SPACE_BYTES, "little")
    levels = np.rint(vector * (_FULL / largest)).astype(np.int8)
    return space + bytes(levels.tobytes())


def likeness(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Cosines of `one` to each of `others`, within 0.01; -1 for those of another space."""
    cosines = np.full(len(others), -1.0)
    comparable = [at for at, other in enumerate(others) if len(other) == len(one) and other[:4] == one[:4]]
    if comparable:
        rows = np.frombuffer(b"".join(others[at][_SPACE_BYTES:] for at in comparable), np.int8)
        matrix = rows.reshape(len(comparable), -1).astype(np.float32)
        asked = np.frombuffer(one, np.int8, offset=_SPACE_BYTES).astype(np.float32)
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(asked)
        cosines[comparable] = matrix @ asked / np.maximum(lengths, 1.0)
    return [float(cosine) for cosine in cosines]
