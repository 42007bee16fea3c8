"""The yardstick's sets with everything a measurement needs beside the logit: cosines, features, groups."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier import corpora
from scripts.verifier.features import NAMES, features

SETS = ("minimal", "fow_pairs", "text2sql", "paws_qqp", "checklist_qqp", "qqp")
# The false-hit rate at which each set's recall is judged.
RATES = {"minimal": 0.01, "fow_pairs": 0.01, "text2sql": 0.01, "paws_qqp": 0.05, "checklist_qqp": 0.05, "qqp": 0.05}
GOALS = {"minimal": 0.80, "fow_pairs": 0.75, "text2sql": 0.80, "paws_qqp": 0.55, "checklist_qqp": 0.60, "qqp": 0.50}
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """Pairs of one set; `unseen`: rows whose group no training with held-out groups saw."""

    name: str
    pairs: list[tuple[str, str]]
    labels: NDArray[np.int64]
    unseen: NDArray[np.bool_]
    groups: NDArray[np.int64]
    features: NDArray[np.float64]


def yard(quality: Path) -> Any:
    """The yardstick's own loaders and figures."""
    sys.path.insert(0, str(quality))
    return importlib.import_module("yard")


def load(quality: Path, embed: Embed, cache: Path | None = None) -> list[MeasuredSet]:
    """All sets, dev halves; features are kept in `cache`."""
    tools = yard(quality)
    found = []
    for name in SETS:
        rows = tools.load(name, "pairs", "dev")
        pairs = [(row["a"], row["b"]) for row in rows]
        groups = [
            f"{name}:{str(row['group']).split('#')[0] if name == 'checklist_qqp' else row['group']}" for row in rows
        ]
        unseen = np.array([_unseen(name, str(row["category"]), group) for row, group in zip(rows, groups, strict=True)])
        numbers = {group: number for number, group in enumerate(sorted(set(groups)))}
        found.append(
            MeasuredSet(
                name, pairs, np.array([int(row["label"]) for row in rows]), unseen,
                np.array([numbers[group] for group in groups]), _features(pairs, embed, cache, name),
            )
        )  # fmt: skip
    return found


def _unseen(name: str, category: str, group: str) -> bool:
    if name in ("paws_qqp", "qqp") or (name == "text2sql" and not category.startswith("advising")):
        return True
    return corpora.held_out(group)


def _features(pairs: list[tuple[str, str]], embed: Embed, cache: Path | None, name: str) -> NDArray[np.float64]:
    key = hashlib.sha256(repr((pairs, NAMES)).encode()).hexdigest()[:12]
    path = cache / f"{name}-{key}.features" if cache else None
    if path is not None and path.exists():
        kept: NDArray[np.float64] = np.fromfile(path).reshape(len(pairs), len(NAMES))
        return kept
    texts = sorted({text for pair in pairs for text in pair})
    vectors = dict(zip(texts, embed(texts), strict=True))
    rows = np.array([features(a, b, float(vectors[a] @ vectors[b])) for a, b in pairs])
    if path is not None:
        rows.tofile(path)
    return rows
