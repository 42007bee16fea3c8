"""Measures an exported verifier on the yardstick's pairs: alone, with the veto, and inside a combiner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier import combine, yardstick
from scripts.verifier.features import NAMES
from scripts.verifier.score import Scorer
from scripts.verifier.yardstick import GOALS, RATES, MeasuredSet

Matrix = NDArray[np.float64]
_NEVER = -1e9
_COSINE, _VETO, _HARD = NAMES.index("cosine"), NAMES.index("passes_veto"), NAMES.index("passes_hard")
# What may be fitted; the texts of QQP and PAWS are for measuring only.
FITTED = ("minimal", "fow_pairs", "text2sql", "checklist_qqp")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The bundled embedder's vectors."""
    from synapse_embed.adapters import minilm

    model = minilm.load()
    vectors = [np.frombuffer(model.encode([model.tokenise(text)])[0], np.float32) for text in texts]
    return np.array(vectors)


def columns(sets: Sequence[MeasuredSet], logits: dict[str, Matrix]) -> dict[str, dict[str, Matrix]]:
    """Scores by column and set; the combiners are fitted on the other sets' unseen groups."""
    found: dict[str, dict[str, Matrix]] = {
        "cosine": {one.name: one.features[:, _COSINE] for one in sets},
        "features": _combined(sets, {name: np.zeros(0) for name in logits}),
        "verifier": logits,
        "+ hard veto": {one.name: np.where(one.features[:, _HARD] > 0, logits[one.name], _NEVER) for one in sets},
        "+ full veto": {one.name: np.where(one.features[:, _VETO] > 0, logits[one.name], _NEVER) for one in sets},
        "combined": _combined(sets, logits),
    }
    found["comb + hard"] = {
        one.name: np.where(one.features[:, _HARD] > 0, found["combined"][one.name], _NEVER) for one in sets
    }
    return found


def _rows(one: MeasuredSet, logit: Matrix) -> Matrix:
    return np.column_stack([one.features, logit]) if logit.size else one.features


def _combined(sets: Sequence[MeasuredSet], logits: dict[str, Matrix]) -> dict[str, Matrix]:
    """For every set a combiner fitted on the unseen groups of the other permissive sets."""
    found = {}
    for one in sets:
        others = [other for other in sets if other.name in FITTED and other.name != one.name]
        rows = np.vstack([_rows(other, logits[other.name])[other.unseen] for other in others])
        labels = np.concatenate([other.labels[other.unseen] for other in others])
        numbers = np.concatenate([np.full(int(other.unseen.sum()), place) for place, other in enumerate(others)])
        model = combine.fit(rows, labels, combine.balanced(labels, numbers))
        found[one.name] = model.logits(_rows(one, logits[one.name]))
    return found


def table(
    sets: Sequence[MeasuredSet], scores: dict[str, dict[str, Matrix]], tools: Any, *, unseen: bool
) -> list[dict[str, Any]]:
    """Recall at each set's judged false-hit rate for every column."""
    rows = []
    for one in sets:
        chosen = one.unseen if unseen else np.ones(len(one.labels), bool)
        labels = one.labels[chosen]
        row: dict[str, Any] = {"set": one.name, "rate": RATES[one.name], "goal": GOALS[one.name]}
        row |= {"positives": int(labels.sum()), "negatives": int((1 - labels).sum())}
        for name, by_set in scores.items():
            row[name] = tools.recall_at_fpr(labels, by_set[one.name][chosen], RATES[one.name])[0]
        row["auc"] = tools.auc(labels, scores["verifier"][one.name][chosen])
        rows.append(row)
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    names = [name for name in rows[0] if name not in ("set", "rate", "goal", "positives", "negatives")]
    print(f"\n{title}\n{'set':<14} {'rate':<5} {'goal':<5} {'pos/neg':<10}" + "".join(f"{name:>13}" for name in names))
    for row in rows:
        counts = f"{row['positives']}/{row['negatives']}"
        figures = "".join(f"{row[name]:>13.3f}" for name in names)
        print(f"{row['set']:<14} {row['rate']:<5} {row['goal']:<5.2f} {counts:<10}{figures}")


def measure(quality: Path, scorer: Scorer, cache: Path | None, report: Path | None) -> None:
    """Print the tables of all rows and of the groups that no training saw."""
    tools = yardstick.yard(quality)
    sets = yardstick.load(quality, embed, cache)
    logits = {one.name: scorer(one.pairs) for one in sets}
    scores = columns(sets, logits)
    tables = {}
    for title, unseen in (("all groups", False), ("groups that no training saw", True)):
        tables[title] = table(sets, scores, tools, unseen=unseen)
        show(title, tables[title])
    if report is not None:
        report.write_text(json.dumps(tables, indent=1))
