"""Closed-loop replays of the yardstick's streams at several budgets: good hits, and whether the budget held."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.embedding import embed
from scripts.verifier.replay import Replay
from scripts.verifier.scored import STREAMS, unseen_requests

from synapse_cache.adapters.verifier_onnx import OnnxVerifier
from synapse_cache.decision import Calibration

BUDGETS = (0.005, 0.01, 0.02, 0.05)


@dataclass(frozen=True, slots=True)
class Run:
    """One replay: shares of the requests that were right hits, wrong hits, and hits of an oracle."""

    stream: str
    max_error: float
    learns: bool
    seed: int
    good: float
    wrong: float
    ceiling: float


class Stream:
    """One stream's requests with their vectors; logits are kept between replays."""

    def __init__(self, name: str, rows: Sequence[dict[str, Any]], verifier: OnnxVerifier) -> None:
        self.name = name
        self._texts = [row["text"] for row in rows]
        self._classes = [row["cls"] for row in rows]
        self._vectors: NDArray[np.float32] = embed(self._texts)
        self._verifier = verifier
        self._logits: dict[tuple[str, str], float | None] = {}

    def run(self, max_error: float, seed: int, calibration: Calibration, *, learns: bool, audits: float) -> Run:
        """Replay the stream in the order of `seed`, each prompt once."""
        policy = Replay(
            self._vectors, self._texts, max_error=max_error, audits=audits, learns=learns, seed=seed,
            calibration=calibration, ask=self._ask,
        )  # fmt: skip
        good = wrong = repeats = 0
        seen: set[str] = set()
        order = np.random.default_rng(seed).permutation(len(self._texts)).tolist()
        for place in order:
            cls = self._classes[place]
            repeats += cls in seen
            seen.add(cls)
            served = policy.request(place, self._texts[place])
            if served is not None:
                good, wrong = good + (self._classes[served] == cls), wrong + (self._classes[served] != cls)
            elif policy.candidate is not None:
                policy.feedback(place, policy.candidate, self._classes[policy.candidate] == cls)
        policy.close()
        count = len(order)
        return Run(self.name, max_error, learns, seed, good / count, wrong / count, repeats / count)

    async def _ask(self, asked: str, stored: str) -> float | None:
        if (asked, stored) not in self._logits:
            self._logits[asked, stored] = self._verifier.logit(stored, asked)
        return self._logits[asked, stored]


def judge(
    quality: Path,
    folder: Path,
    *,
    seeds: int = 5,
    audits: float = 0.02,
    everything: bool = False,
    report: Path | None = None,
) -> list[Run]:
    """Replay every stream with the verifier and calibration in `folder`, with verdicts to learn from and without."""
    verifier, runs = OnnxVerifier(folder), []
    calibration = Calibration.read(folder / "calibration.json")
    for name in STREAMS:
        stream = Stream(name, unseen_requests(quality, name, everything=everything), verifier)
        for learns in (False, True):
            for max_error in BUDGETS:
                runs += [
                    stream.run(max_error, seed, calibration, learns=learns, audits=audits if learns else 0.0)
                    for seed in range(seeds)
                ]
        show([run for run in runs if run.stream == name])
    if report is not None:
        report.write_text(json.dumps([asdict(run) for run in runs], indent=1))
    return runs


def show(runs: Sequence[Run]) -> None:
    """Print a stream's good hits and errors by budget."""
    print(f"\n{runs[0].stream}, ceiling {runs[0].ceiling:.3f}")
    print(f"{'budget':>8} {'verdicts':>9} {'good':>6} {'error':>7} {'worst':>7} {'within':>8}")
    for learns in (False, True):
        for max_error in BUDGETS:
            chosen = [run for run in runs if run.learns is learns and run.max_error == max_error]
            wrong = [run.wrong for run in chosen]
            good, within = np.mean([run.good for run in chosen]), sum(one <= max_error for one in wrong)
            print(
                f"{max_error:>8.1%} {'yes' if learns else 'no':>9} {good:>6.3f} {np.mean(wrong):>7.4f} "
                f"{max(wrong):>7.4f} {within:>4}/{len(wrong)}",
                flush=True,
            )
