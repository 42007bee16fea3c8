"""Stretches of primary keys: a walk through a Milvus collection, one stretch at a time.

Primary keys begin with a hash, so they lie evenly, and a stretch holds about its share of the rows. A page is a stretch
that is not full; whatever order the server gives rows in, none is missed.
"""

from __future__ import annotations

from dataclasses import dataclass

_BITS = 128
_DIGITS = _BITS // 4
_NARROWER = 3


@dataclass(frozen=True, slots=True)
class Stretch:
    """Primary keys from `start` on, 2 ** `bits` hashes long."""

    start: int = 0
    bits: int = _BITS

    @classmethod
    def read(cls, after: str) -> Stretch:
        """The stretch that `next` named; the widest for an empty text."""
        if not after:
            return cls()
        start, _, bits = after.partition("-")
        return cls(int(start, 16), int(bits))

    @property
    def clause(self) -> str:
        """Filter: rows of this stretch."""
        end = self.start + (1 << self.bits)
        below = "" if end >> _BITS else f" and pk < '{end:0{_DIGITS}x}'"
        return f"pk >= '{self.start:0{_DIGITS}x}'{below}"

    def narrower(self) -> Stretch:
        """The first eighth of it."""
        return Stretch(self.start, max(0, self.bits - _NARROWER))

    def next(self, *, wider: bool) -> str:
        """The name of the stretch after it, twice as long if `wider` and if it may begin there; empty at the end."""
        start = self.start + (1 << self.bits)
        if start >> _BITS:
            return ""
        return f"{start:x}-{self.bits + wider if start % (1 << (self.bits + 1)) == 0 else self.bits}"
