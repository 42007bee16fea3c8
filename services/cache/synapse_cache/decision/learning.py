"""What a namespace's own verdicts teach: a Bayesian logistic regression over the calibration that ships.

It knows two traits of a candidate: the calibrated logit of "the answer is right", and the record of its entry, the log
of (confirmed + 1) / (denied + 1). Its prior is the calibration itself, with a spread as wide as namespaces were found
to differ; verdicts narrow and move it (Laplace's approximation of the posterior). An error is told at the cautious end
of what the posterior allows, so a namespace without history is judged strictly and one with history by its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

Traits: TypeAlias = tuple[float, float]
"""The calibrated logit, and the entry's record."""
MOST_VERDICTS = 1_000
# Means and spreads of the intercept, of the calibrated logit's weight and of the record's. The intercept begins below
# the calibration: questions of a kind that it was not fitted on are harder than it says (docs/decision.md).
_MEAN = (-0.5, 1.0, 0.5)
_SPREAD = (1.0, 0.3, 0.3)
_CAUTION = 0.5
_STEPS = 12
_STILL = 1e-6
_FURTHEST = 30.0


def record(confirmed: int, denied: int) -> float:
    """An entry's record out of how often its answers were confirmed and denied."""
    return math.log((1 + confirmed) / (1 + denied))


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of the weights: their means (3,) and covariance (3, 3); `verdicts` is how many taught it."""

    mean: Array = field(default_factory=lambda: np.array(_MEAN))
    covariance: Array = field(default_factory=lambda: np.diag(np.square(_SPREAD)))
    verdicts: int = 0

    def error(self, traits: Traits) -> float:
        """The probability that a candidate of these traits is wrong, at the cautious end."""
        x = np.array((1.0, *traits))
        logit = float(x @ self.mean) - _CAUTION * math.sqrt(float(x @ self.covariance @ x))
        return 1 / (1 + math.exp(max(-_FURTHEST, min(_FURTHEST, logit))))


PRIOR = Posterior()


def learn(verdicts: Sequence[tuple[Traits, bool]]) -> Posterior:
    """The posterior after `verdicts`, each the traits of a candidate and whether its answer was right.

    The newest MOST_VERDICTS count, the last in the sequence being the newest.
    """
    if not verdicts:
        return PRIOR
    newest = verdicts[-MOST_VERDICTS:]
    rows = np.array([(1.0, *traits) for traits, _ in newest])
    labels = np.array([float(right) for _, right in newest])
    return _laplace(rows, labels)


def _laplace(rows: Array, labels: Array) -> Posterior:
    """The mode by Newton's method with a halved step where a whole one would go too far, and the curvature there."""
    prior, precision = PRIOR.mean, np.diag(1 / np.square(_SPREAD))
    weights, cost = prior, _cost(rows, labels, prior, prior, precision)
    for _ in range(_STEPS):
        slope, curvature = _slopes(rows, labels, weights, precision)
        step, share = np.linalg.solve(curvature, slope), 1.0
        while (lower := _cost(rows, labels, weights - share * step, prior, precision)) > cost and share > _STILL:
            share /= 2
        weights = weights - share * step
        if cost - lower < _STILL:
            break
        cost = lower
    _, curvature = _slopes(rows, labels, weights, precision)
    covariance = np.linalg.inv(curvature).astype(np.float64)
    return Posterior(weights, covariance, len(labels))


def _slopes(rows: Array, labels: Array, weights: Array, precision: Array) -> tuple[Array, Array]:
    right = 1 / (1 + np.exp(-np.clip(rows @ weights, -_FURTHEST, _FURTHEST)))
    slope = rows.T @ (right - labels) + precision @ (weights - PRIOR.mean)
    return slope, (rows * (right * (1 - right))[:, None]).T @ rows + precision


def _cost(rows: Array, labels: Array, weights: Array, prior: Array, precision: Array) -> float:
    logits, off = rows @ weights, weights - prior
    return float(np.sum(np.logaddexp(0, logits) - labels * logits) + 0.5 * off @ precision @ off)
