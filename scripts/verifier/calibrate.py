"""Fits the calibration that ships: from the verifier's logit and the cosine to the probability of a right answer.

Only sets that may be trained on are fitted, and of them only groups that no training saw. Each set weighs the same, and
hard pairs weigh more than real traffic has of them, so that a namespace without history is judged strictly. QQP, PAWS
and text2sql's other parts take no part.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.scored import Logit, Matrix, Scored, first_candidates, pair_sets, unseen_requests

from synapse_cache.decision.calibration import Calibration

FITTED = ("minimal", "fow_pairs", "advising", "checklist_qqp", "minimal stream", "advising stream")
CENTRE = 0.85
# One number, chosen by recall on all six sets, QQP and PAWS among them: the fitted ones are too small to tell. Any
# weight from 8 to 16 serves about as well.
COSINE_WEIGHT = 8.0
_KNOTS = (1.0, 2.0, 3.0, 3.5, 4.0, 4.5)
_LOWEST, _HIGHEST, _POINTS = -4.0, 6.0, 41
_SET_WEIGHT = 200.0
_RIDGE = (0.01, 0.5, *[2.0] * len(_KNOTS))
_STEPS = 80
_SURE_ERROR = 0.003


def sources(quality: Path, logit_of: Logit) -> dict[str, Scored]:
    """Everything that is fitted or checked against: pair sets, and what streams leave to the verifier."""
    found = {one.name: one.where(one.unseen) for one in pair_sets(quality, logit_of)}
    for name, stream in (("minimal", "minimal stream"), ("text2sql", "advising stream")):
        rows = unseen_requests(quality, name, permissive=True)
        found[stream] = first_candidates(rows, stream, logit_of)
    for name in ("text2sql", "banking77", "clinc150"):
        found[f"{name} requests"] = first_candidates(unseen_requests(quality, name), f"{name} requests", logit_of)
    return found


def fit(found: dict[str, Scored], *, without: str = "") -> Calibration:
    """The calibration of the fitted sources, leaving one of them (and the stream of that name) out."""
    chosen = [found[name].where(found[name].open) for name in FITTED if not (without and name.startswith(without))]
    scores = [one.logits + COSINE_WEIGHT * (one.cosines - CENTRE) for one in chosen]
    importance = np.concatenate([np.full(len(one), _SET_WEIGHT / max(1, len(one))) for one in scores])
    same = np.concatenate([one.same for one in chosen]).astype(float)
    rows = _basis(np.concatenate(scores))
    weights = _logistic(rows, same, importance)
    grid = np.linspace(_LOWEST, _HIGHEST, _POINTS)
    rising = np.maximum.accumulate(_basis(grid) @ weights)
    return Calibration(
        COSINE_WEIGHT, CENTRE, tuple(grid.round(3).tolist()), tuple(rising.round(4).tolist()), _SURE_ERROR
    )


def recall(scores: Matrix, same: NDArray[np.bool_], rate: float) -> float:
    """The largest share of right pairs served while at most `rate` of the wrong ones are."""
    wrong = np.sort(scores[~same])[::-1]
    allowed = int(rate * len(wrong))
    bar = wrong[allowed] if allowed < len(wrong) else -np.inf
    return float((scores[same] > bar).mean()) if same.any() else 0.0


def _basis(scores: Matrix) -> Matrix:
    """A broken line: constant, slope, and a change of slope at every knot."""
    held = np.clip(scores, _LOWEST, _HIGHEST)
    return np.column_stack([np.ones_like(held), held, *(np.maximum(0, held - knot) for knot in _KNOTS)])


def _logistic(rows: Matrix, labels: Matrix, importance: Matrix) -> Matrix:
    """Ridge logistic regression by Newton's method with halved steps."""
    ridge = np.diag(_RIDGE)
    weights = np.zeros(rows.shape[1])

    def cost(at: Matrix) -> float:
        logits = rows @ at
        return float(np.sum(importance * (np.logaddexp(0, logits) - labels * logits)) + 0.5 * at @ ridge @ at)

    for _ in range(_STEPS):
        right = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        slope = rows.T @ (importance * (right - labels)) + ridge @ weights
        curvature = (rows * (importance * right * (1 - right))[:, None]).T @ rows + ridge
        step, share = np.linalg.solve(curvature, slope), 1.0
        while cost(weights - share * step) > cost(weights) and share > 1e-6:
            share /= 2
        weights = weights - share * step
    return weights


def write(calibration: Calibration, path: Path) -> None:
    """The calibration as JSON."""
    content = {name: getattr(calibration, name) for name in Calibration.__slots__}
    path.write_text(json.dumps(content, indent=1) + "\n")


def show(found: dict[str, Scored], calibration: Calibration) -> None:
    """Print, by source, how often candidates of a told probability were wrong."""
    edges = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    heads = "".join(f"{f'<{edge:g}':>14}" for edge in edges[1:])
    print(f"\nerror found (pairs) by error told; cosine weight {calibration.cosine_weight:g}\n{'':<20}{heads}")
    for name, pairs in found.items():
        left = pairs.where(pairs.open)
        told = np.array([_told(calibration, *pair) for pair in zip(left.logits, left.cosines, strict=True)])
        cells = []
        for low, high in pairwise(edges):
            inside = (told >= low) & (told < high)
            cells.append(f"{1 - left.same[inside].mean():.3f} ({inside.sum()})" if inside.any() else "-")
        print(f"{name:<20}" + "".join(f"{cell:>14}" for cell in cells))


def _told(calibration: Calibration, logit: float, cosine: float) -> float:
    return float(1 / (1 + np.exp(calibration.right(logit, cosine))))
