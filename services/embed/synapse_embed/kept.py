"""The vectors of the texts asked for last."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from synapse_embed.model import Vector


class KeptVectors:
    """The vectors of the texts asked for last, by exact text; all of one model and one window.

    Texts are known by their digests, so that an entry takes about 2 kB however long its text is.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._kept: OrderedDict[bytes, Vector] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Vector | None:
        """The vector of exactly this text, if it is kept."""
        key = _digest(text)
        vector = self._kept.get(key)
        if vector is not None:
            self._kept.move_to_end(key)
        return vector

    def keep(self, text: str, vector: Vector) -> None:
        """Keep a vector; the one unused for longest makes room."""
        if not self._entries:
            return
        self._kept[_digest(text)] = vector
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=32).digest()
