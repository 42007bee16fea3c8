"""Closed-loop replays of the yardstick's streams: the bar is chosen on streams that it is not judged on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier import corpora, yardstick
from scripts.verifier.features import HARD
from scripts.verifier.score import Scorer
from scripts.verifier.yardstick import Embed

from synapse_cache.decision import analyse, veto

STREAMS = ("minimal", "text2sql", "banking77", "clinc150")
BARS = tuple(np.arange(0.0, 8.1, 0.5).tolist())
_LOWEST_COSINE = 0.7
_CANDIDATES = 4
_LIMIT = 1500
_SEEDS = (0, 1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one bar gave: requests, good and wrong hits, and an oracle's share of hits."""

    requests: int
    good: int
    wrong: int
    ceiling: float


def upper_bound(wrong: int, trials: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson's one-sided upper bound of a rate, by bisection."""
    low, high = wrong / trials, 1.0
    for _ in range(50):
        rate = (low + high) / 2
        tail = math.fsum(
            math.exp(
                math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
                + k * math.log(rate) + (trials - k) * math.log1p(-rate)
            )
            for k in range(wrong + 1)
        )  # fmt: skip
        low, high = (rate, high) if tail > 1 - confidence else (low, rate)
    return high


class Stream:
    """One stream's requests with their vectors; logits are kept between replays."""

    def __init__(
        self, rows: Sequence[dict[str, Any]], vectors: NDArray[np.float32], scorer: Scorer, *, vetoes: bool
    ) -> None:
        self.rows, self._vectors, self._scorer, self._vetoes = rows, vectors, scorer, vetoes
        self._known: dict[tuple[int, int], float] = {}

    def replay(self, order: Sequence[int], bar: float) -> Replayed:
        """Serve the best stored candidate at or above the bar; a request that is served stores nothing."""
        stored: list[int] = []
        good = wrong = repeats = 0
        seen: set[str] = set()
        for request in order:
            cls = self.rows[request]["cls"]
            repeats += cls in seen
            seen.add(cls)
            found = self._best(request, stored)
            if found is not None and found[1] >= bar:
                right = self.rows[found[0]]["cls"] == cls
                good, wrong = good + right, wrong + (not right)
            else:
                stored.append(request)
        return Replayed(len(order), good, wrong, repeats / len(order))

    def _best(self, request: int, stored: list[int]) -> tuple[int, float] | None:
        if not stored:
            return None
        cosines = self._vectors[stored] @ self._vectors[request]
        near = [stored[int(place)] for place in np.argsort(-cosines)[:_CANDIDATES] if cosines[place] >= _LOWEST_COSINE]
        missing = [one for one in near if (one, request) not in self._known]
        if missing:
            pairs = [(self.rows[one]["text"], self.rows[request]["text"]) for one in missing]
            for one, pair, logit in zip(missing, pairs, self._scorer(pairs).tolist(), strict=True):
                vetoed = self._vetoes and veto(analyse(pair[0]), analyse(pair[1])) in HARD
                self._known[one, request] = -1e9 if vetoed else logit
        return max(((one, self._known[one, request]) for one in near), key=lambda found: found[1], default=None)


def load(quality: Path, embed: Embed, scorer: Scorer, *, vetoes: bool) -> dict[str, Stream]:
    """The requests of the streams whose groups no training saw."""
    tools = yardstick.yard(quality)
    found = {}
    for name in STREAMS:
        rows = [
            row for row in tools.load(name, "prompts", "dev")
            if corpora.held_out(f"{name}:{row['group']}") or (name == "text2sql" and row["category"] != "advising")
        ][:_LIMIT]  # fmt: skip
        found[name] = Stream(rows, embed([row["text"] for row in rows]), scorer, vetoes=vetoes)
    return found


def judge(streams: dict[str, Stream], max_error: float = 0.01) -> None:
    """Print, for every stream, the bar that the other streams choose and what it gives here."""
    results: dict[str, dict[float, list[Replayed]]] = {}
    for name, stream in streams.items():
        orders = [np.random.default_rng(seed).permutation(len(stream.rows)).tolist() for seed in _SEEDS]
        results[name] = {bar: [stream.replay(order, bar) for order in orders] for bar in BARS}
    heads = f"{'stream':<10} {'bar':>4} {'good':>6} {'error':>7} {'worst':>7} {'ceiling':>8}"
    print(f"\n{heads}   best with error <= {max_error}")
    for name, by_bar in results.items():
        others = [other for other in results if other != name]
        safe = [bar for bar in BARS if all(_bounded(results[other][bar], max_error) for other in others)]
        bar = safe[0] if safe else BARS[-1]
        good, error, worst = _figures(by_bar[bar])
        own = [one for one in BARS if _figures(by_bar[one])[2] <= max_error]
        best = f"{own[0]:.1f}: {_figures(by_bar[own[0]])[0]:.3f}" if own else "none"
        print(
            f"{name:<10} {bar:>4.1f} {good:>6.3f} {error:>7.4f} {worst:>7.4f} {by_bar[bar][0].ceiling:>8.3f}   {best}",
            flush=True,
        )


def _bounded(runs: list[Replayed], max_error: float) -> bool:
    return all(upper_bound(run.wrong, run.requests) <= max_error for run in runs)


def _figures(runs: list[Replayed]) -> tuple[float, float, float]:
    good = float(np.mean([run.good / run.requests for run in runs]))
    errors = [run.wrong / run.requests for run in runs]
    return good, float(np.mean(errors)), max(errors)
