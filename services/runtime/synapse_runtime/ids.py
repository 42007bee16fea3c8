"""Ids that tell things apart and keep no secret: of requests and of answers.

They come from a generator seeded by the operating system once, which saves a system call for each. What must not be
guessed (keys, entry ids) comes from `secrets`.
"""

from __future__ import annotations

import random

_BITS = 96
_random = random.Random()  # noqa: S311  # no secret


def fresh_id(prefix: str) -> str:
    """A new id: `prefix` and 24 hexadecimal digits."""
    return f"{prefix}{_random.getrandbits(_BITS):024x}"
