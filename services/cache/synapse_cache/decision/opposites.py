"""Words that turn an answer round when one stands in the other's place."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def opposites() -> dict[str, tuple[str, ...]]:
    """For a word in lower case its opposites and rivals."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (Path(__file__).parent / "opposites.txt").read_text().splitlines():
        for pair in () if line.startswith("#") else line.split(" | "):
            one, two = pair.split()
            found[one] = (*found.get(one, ()), two)
            found[two] = (*found.get(two, ()), one)
    return found
