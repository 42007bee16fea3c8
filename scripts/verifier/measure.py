"""Recall on the yardstick's pairs at the judged rates of false hits: what each part of the decision adds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.calibrate import CENTRE, recall
from scripts.verifier.scored import Matrix, Scored
from scripts.verifier.yardstick import GOALS, RATES

from synapse_cache.decision import Calibration

_FIRST, _LAST = 1e6, -1e6


def columns(pairs: Scored, calibration: Calibration) -> dict[str, Matrix]:
    """Scores of the pairs, one column for every part and one for the whole decision."""
    combined = pairs.logits + calibration.cosine_weight * (pairs.cosines - CENTRE)

    def settled(scores: Matrix) -> Matrix:
        found: Matrix = np.where(pairs.final, _LAST, np.where(pairs.sure, _FIRST, scores))
        return found

    return {
        "cosine": pairs.cosines,
        "verifier": pairs.logits,
        "with cosine": combined,
        "texts, cosine": settled(pairs.cosines),
        "texts, verifier": settled(pairs.logits),
        "decision": settled(combined),
    }


def table(sets: Sequence[Scored], calibration: Calibration, *, unseen: bool) -> list[dict[str, float | str]]:
    """One row a set: recall at its judged rate by column."""
    rows: list[dict[str, float | str]] = []
    for one in sets:
        if one.name not in RATES:
            continue
        chosen = one.where(one.unseen) if unseen else one
        row: dict[str, float | str] = {"set": one.name, "rate": RATES[one.name], "goal": GOALS[one.name]}
        row |= {"right": int(chosen.same.sum()), "wrong": int((~chosen.same).sum())}
        for name, scores in columns(chosen, calibration).items():
            row[name] = recall(scores, chosen.same, RATES[one.name])
        rows.append(row)
    return rows


def show(title: str, rows: Sequence[dict[str, float | str]]) -> None:
    """Print a table."""
    names = [name for name in rows[0] if name not in ("set", "rate", "goal", "right", "wrong")]
    print(f"\n{title}\n{'set':<14} {'rate':<5} {'goal':<5} {'pairs':<10}" + "".join(f"{name:>17}" for name in names))
    for row in rows:
        figures = "".join(f"{row[name]:>17.3f}" for name in names)
        print(f"{row['set']:<14} {row['rate']:<5} {row['goal']:<5.2f} {row['right']}/{row['wrong']:<6}{figures}")


def measure(sets: Sequence[Scored], calibration: Calibration, report: Path | None) -> None:
    """Print the tables of all rows and of the groups that no training saw."""
    tables = {}
    for title, unseen in (("all groups", False), ("groups that no training saw", True)):
        tables[title] = table(sets, calibration, unseen=unseen)
        show(title, tables[title])
    if report is not None:
        report.write_text(json.dumps(tables, indent=1))


def score_many(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """The decision's score of (stored, asked) pairs, for the yardstick `pair_eval.py --batch`."""
    from scripts.verifier.embedding import embed
    from scripts.verifier.scored import score

    from synapse_cache.adapters.verifier_onnx import FOLDER, OnnxVerifier

    texts = sorted({text for pair in pairs for text in pair})
    vectors = dict(zip(texts, embed(texts), strict=True))
    rows = [(a, b, float(vectors[a] @ vectors[b])) for a, b in pairs]
    unknown = [False] * len(rows)
    scored = score("", rows, unknown, unknown, OnnxVerifier().logit)
    return columns(scored, Calibration.read(FOLDER / "calibration.json"))["decision"]
