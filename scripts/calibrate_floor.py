"""Calibrates the similarity floor of the strict reuse decision by closed-loop replays on the dev halves.

`--quality DIR` is a folder with yard.py, stream_eval.py and data/. Vectors come from the bundled model, from
`--embed module:callable` (texts in, one sequence of floats each out) or from `--vectors FILE.npz` (texts, vectors).
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synapse_cache.decision import CALIBRATED_FLOOR, analyse, veto

STREAMS = ("minimal", "text2sql", "banking77", "clinc150")
PAIRS = ("minimal", "fow_pairs", "text2sql", "paws_qqp", "checklist_qqp", "qqp")
FLOORS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
FOLDS = 4
SEEDS = (0, 1, 2)
NEAREST = 8
MAX_ERROR = 0.01
CONFIDENCE = 0.95
Row = dict[str, Any]
Vectors = dict[str, NDArray[np.float32]]


def upper_bound(events: int, trials: int) -> float:
    """Clopper-Pearson: the largest rate that `events` in `trials` still allow, one-sided at `CONFIDENCE`."""
    low, high = events / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(events, trials, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _at_most(events: int, trials: int, rate: float) -> float:
    """P(at most `events` of `trials`) at `rate`."""
    if rate >= 1.0:
        return float(events >= trials)
    terms = (
        math.lgamma(trials + 1)
        - math.lgamma(count + 1)
        - math.lgamma(trials - count + 1)
        + count * math.log(rate)
        + (trials - count) * math.log1p(-rate)
        for count in range(events + 1)
    )
    return math.fsum(math.exp(term) for term in terms)


@dataclass
class Tally:
    """Requests of replayed streams, hits and wrong hits among them."""

    requests: int = 0
    hits: int = 0
    wrong: int = 0

    def add(self, other: Tally) -> None:
        """Count another replay in."""
        self.requests += other.requests
        self.hits += other.hits
        self.wrong += other.wrong

    @property
    def bound(self) -> float:
        """Upper confidence bound of the error, wrong hits per request."""
        return upper_bound(self.wrong, self.requests)


class Policy:
    """A cache that stores every miss and serves the nearest stored prompt at or above the floor without a veto."""

    def __init__(self, rows: Sequence[Row], vectors: Vectors, floor: float) -> None:
        self._rows, self._vectors, self._floor = rows, vectors, floor
        self._stored: list[int] = []
        self._matrix = np.zeros((len(rows), next(iter(vectors.values())).size), np.float32)

    def request(self, index: int, text: str) -> int | None:
        """The earlier request whose answer is served, or None."""
        vector, count = self._vectors[text], len(self._stored)
        cosines = self._matrix[:count] @ vector
        asked = analyse(text)
        for place in np.argsort(-cosines)[:NEAREST]:
            stored = self._stored[int(place)]
            if cosines[place] >= self._floor and veto(asked, analyse(self._rows[stored]["text"])) is None:
                return stored
        self._matrix[count] = vector
        self._stored.append(index)
        return None


class Yard:
    """The yardstick's own loaders and replay, with the vectors of every text that they use."""

    def __init__(self, folder: Path, embed: Callable[[list[str]], Sequence[Any]]) -> None:
        sys.path.insert(0, str(folder))
        self._yard = importlib.import_module("yard")
        self._stream = importlib.import_module("stream_eval")
        self.streams = {name: self._yard.load(name, "prompts", "dev") for name in STREAMS}
        self.pairs = {name: self._yard.load(name, "pairs", "dev") for name in PAIRS}
        texts = {row["text"] for rows in self.streams.values() for row in rows}
        texts |= {row[side] for rows in self.pairs.values() for row in rows for side in ("a", "b")}
        ordered = sorted(texts)
        self.vectors: Vectors = dict(zip(ordered, map(_float32, embed(ordered)), strict=True))

    def replay(self, rows: Sequence[Row], floor: float, seed: int) -> tuple[Tally, float]:
        """One closed-loop replay in a shuffled order, and the hit rate of an oracle on it."""
        ordered = self._stream.order(rows, seed)
        result = self._stream.replay(ordered, Policy(ordered, self.vectors, floor))
        requests = int(result["requests"])
        tally = Tally(requests, round(result["hit_rate"] * requests), round(result["error_rate"] * requests))
        return tally, float(result["ceiling"])


def _float32(vector: Any) -> NDArray[np.float32]:
    return np.asarray(vector, np.float32)


def fold_of(row: Row) -> int:
    """The fold of a row's group; groups never straddle folds."""
    return zlib.crc32(str(row["group"]).encode()) % FOLDS


def choose(tallies: dict[float, list[Tally]]) -> float:
    """The lowest floor at which every stream keeps the error bound; the highest floor when none does."""
    for floor in FLOORS:
        if all(tally.bound <= MAX_ERROR for tally in tallies[floor]):
            return floor
    return FLOORS[-1]


def cross_fit(yard: Yard) -> tuple[float, dict[str, Tally]]:
    """Choose on all folds but one, test on that one: the strictest choice, and the tests' tallies by stream."""
    folds = range(FOLDS)
    measured = {
        (name, fold, floor): yard.replay([row for row in rows if fold_of(row) == fold], floor, seed=0)[0]
        for name, rows in yard.streams.items()
        for fold in folds
        for floor in FLOORS
    }
    unseen = {name: Tally() for name in yard.streams}
    chosen: list[float] = []
    for held in folds:
        tallies: dict[float, list[Tally]] = {floor: [] for floor in FLOORS}
        for floor in FLOORS:
            for name in yard.streams:
                total = Tally()
                for fold in folds:
                    if fold != held:
                        total.add(measured[name, fold, floor])
                tallies[floor].append(total)
        chosen.append(choose(tallies))
        for name in yard.streams:
            unseen[name].add(measured[name, held, chosen[-1]])
    return max(chosen), unseen


def report_streams(yard: Yard) -> None:
    """Whole dev halves at every floor: mean over seeds, the worst seed's error and its bound."""
    print("stream      floor  good_hits  error   worst   bound   ceiling  requests")
    for name, rows in yard.streams.items():
        for floor in FLOORS:
            runs = [yard.replay(rows, floor, seed) for seed in SEEDS]
            worst = max((tally for tally, _ in runs), key=lambda tally: tally.wrong)
            good = np.mean([(tally.hits - tally.wrong) / tally.requests for tally, _ in runs])
            error = np.mean([tally.wrong / tally.requests for tally, _ in runs])
            print(
                f"{name:<11} {floor:.2f}   {good:.3f}      {error:.4f}  {worst.wrong / worst.requests:.4f}  "
                f"{worst.bound:.4f}  {runs[0][1]:.3f}    {worst.requests}"
            )


def report_pairs(yard: Yard, floor: float) -> None:
    """Labelled pairs at the shipped floor: recall, false hits and their bound."""
    print(f"\nAt the shipped floor {floor:.2f}:\npairs          recall  false_hits  bound   positives  negatives")
    for name, rows in yard.pairs.items():
        served = [
            (row["label"], float(yard.vectors[row["a"]] @ yard.vectors[row["b"]]) >= floor)
            for row in rows
            if veto(analyse(row["a"]), analyse(row["b"])) is None
        ]
        positives = sum(1 for row in rows if row["label"])
        negatives = len(rows) - positives
        right = sum(1 for label, near in served if label and near)
        wrong = sum(1 for label, near in served if not label and near)
        print(
            f"{name:<14} {right / positives:.3f}   {wrong / negatives:.4f}      {upper_bound(wrong, negatives):.4f}  "
            f"{positives:<9}  {negatives}"
        )


def _bundled(texts: list[str]) -> list[NDArray[np.float32]]:
    from synapse_embed.adapters import minilm

    model = minilm.load()
    return [np.frombuffer(model.encode([model.tokenise(text)])[0], np.float32) for text in texts]


def _embedding(args: argparse.Namespace) -> Callable[[list[str]], Sequence[Any]]:
    if args.vectors:
        with np.load(args.vectors, allow_pickle=False) as stored:
            known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
        return lambda texts: [known[text] for text in texts]
    if args.embed:
        module, _, name = args.embed.partition(":")
        embed: Callable[[list[str]], Sequence[Any]] = getattr(importlib.import_module(module), name)
        return embed
    return _bundled


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quality", type=Path, required=True, help="folder of the yardsticks and their data")
    parser.add_argument("--embed", help="module:callable that embeds a list of texts (unit length)")
    parser.add_argument("--vectors", type=Path, help="a file of texts and vectors instead of a model")
    args = parser.parse_args()
    yard = Yard(args.quality, _embedding(args))
    floor, unseen = cross_fit(yard)
    print(f"floor {floor:.2f}: the strictest that {FOLDS} cross-fits choose. On the groups each did not see:")
    for name, tally in unseen.items():
        print(
            f"  {name:<11} {tally.requests} requests, {tally.hits} hits, {tally.wrong} wrong, bound {tally.bound:.4f}"
        )
    print()
    report_streams(yard)
    report_pairs(yard, CALIBRATED_FLOOR)


if __name__ == "__main__":
    main()
