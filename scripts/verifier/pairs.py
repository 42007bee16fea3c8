"""A labelled pair of prompts, and its file: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """Two prompts; `label` 1: the answer to one is right for the other.

    `family` names where the pair comes from (what an ablation leaves out), `group` what must not straddle a split.
    """

    a: str
    b: str
    label: int
    family: str
    group: str

    def swapped(self) -> Pair:
        """The same pair, seen from the other side."""
        return Pair(self.b, self.a, self.label, self.family, self.group)


def write(path: Path, pairs: Iterable[Pair]) -> None:
    """Write all pairs to a file."""
    with path.open("w") as file:
        file.writelines(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)


def read(path: Path) -> Iterator[Pair]:
    """The pairs of a file."""
    with path.open() as file:
        for line in file:
            yield Pair(**json.loads(line))
