"""From a verifier's logit and a cosine to the probability that an answer is right, as measured on unseen texts."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `scripts/verifier calibrate` measured for the verifier that ships.

    The combined score is `logit + cosine_weight * (cosine - cosine_centre)`. `scores` and `logits` are the knots of a
    rising line from it to the logit of "the answer is right". `sure_error` is the probability of a wrong answer where
    every word has its match.
    """

    cosine_weight: float
    cosine_centre: float
    scores: tuple[float, ...]
    logits: tuple[float, ...]
    sure_error: float

    def __post_init__(self) -> None:
        if len(self.scores) < 2 or len(self.scores) != len(self.logits):
            raise ValueError("a calibration needs two knots or more, each with its logit")
        if not (_rises(self.scores, strictly=True) and _rises(self.logits, strictly=False)):
            raise ValueError("a calibration's knots must rise")

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """The calibration in a JSON file."""
        content: dict[str, Any] = json.loads(path.read_text())
        fields = {name: content[name] for name in cls.__slots__}
        return cls(**fields | {"scores": tuple(fields["scores"]), "logits": tuple(fields["logits"])})

    def right(self, logit: float, cosine: float) -> float:
        """The logit of "the answer is right" for a verifier's `logit` and a cosine; flat beyond the outer knots."""
        score = logit + self.cosine_weight * (cosine - self.cosine_centre)
        if score <= self.scores[0]:
            return self.logits[0]
        if score >= self.scores[-1]:
            return self.logits[-1]
        above = bisect_right(self.scores, score)
        below = above - 1
        share = (score - self.scores[below]) / (self.scores[above] - self.scores[below])
        return self.logits[below] + share * (self.logits[above] - self.logits[below])


def _rises(values: Sequence[float], *, strictly: bool) -> bool:
    return all(one < other or (not strictly and one == other) for one, other in pairwise(values))
