"""What backends send, as vectors of our own: float32, finite, of length one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synapse_embed.adapters.http_client import invalid
from synapse_embed.model import Vector

_BYTES_PER_TOKEN = 4
_SPECIAL_TOKENS = 2


def vector(values: Any, *, tokens: int, truncated: bool) -> Vector:
    """The vector of numbers in any form; raises EncoderFailed for what has no direction."""
    try:
        raw = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise invalid("a vector is not made of numbers") from error
    if raw.ndim != 1 or not raw.size:
        raise invalid("a vector is not one row of numbers")
    length = float(np.linalg.norm(raw))
    if not np.isfinite(length) or length == 0:
        raise invalid("a vector has no direction")
    unit: NDArray[np.float32] = (raw / length).astype(np.float32)
    return Vector(unit.tobytes(), tokens, truncated)


def shared_out(tokens: int, texts: Sequence[str]) -> list[int]:
    """The tokens of a batch, of which only the sum is told, shared out by the lengths of its texts."""
    if len(texts) == 1:
        return [tokens]
    sizes = [len(text.encode()) + 1 for text in texts]
    total, seen, given = sum(sizes), 0, 0
    shares: list[int] = []
    for size in sizes:
        seen += size
        share = tokens * seen // total - given
        given += share
        shares.append(share)
    return shares


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has."""
    return len(text.encode()) // _BYTES_PER_TOKEN + _SPECIAL_TOKENS


def certainly_fits(text: str, max_tokens: int) -> bool:
    """Whether a text must fit a window of `max_tokens`: no token is shorter than a byte."""
    return len(text.encode()) + _SPECIAL_TOKENS < max_tokens
