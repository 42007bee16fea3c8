"""The combiner: a logistic regression whose weights cannot be negative, so that more evidence never lowers it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_STEPS = 3000


@dataclass(frozen=True, slots=True)
class Combiner:
    """P(same answer) = 1 / (1 + exp(-(standardised row @ weights + bias))); every weight is >= 0."""

    mean: Matrix
    spread: Matrix
    weights: Matrix
    bias: float

    def logits(self, rows: Matrix) -> Matrix:
        """One logit for each row."""
        found: Matrix = (rows - self.mean) / self.spread @ self.weights + self.bias
        return found


def fit(rows: Matrix, labels: NDArray[np.int64], importance: Matrix, *, ridge: float = 1e-3) -> Combiner:
    """Projected gradient descent with momentum on the weighted log loss."""
    mean = rows.mean(0)
    spread = np.maximum(rows.std(0), 1e-6)
    x = (rows - mean) / spread
    share = importance / importance.sum()
    weights, bias = np.full(x.shape[1], 0.1), 0.0
    previous, step = weights.copy(), 1.0
    for turn in range(_STEPS):
        ahead = weights + turn / (turn + 3) * (weights - previous)
        error = share * (1 / (1 + np.exp(-(x @ ahead + bias))) - labels)
        previous = weights
        weights = np.maximum(0, ahead - step * (x.T @ error + ridge * ahead))
        bias -= step * float(error.sum())
    return Combiner(mean, spread, weights, bias)


def balanced(labels: NDArray[np.int64], sets: NDArray[np.int64]) -> Matrix:
    """Importances under which every set weighs the same, and in it both labels."""
    importance = np.zeros(len(labels))
    for number in np.unique(sets):
        for label in (0, 1):
            rows = (sets == number) & (labels == label)
            importance[rows] = 1 / max(1, rows.sum())
    return importance
