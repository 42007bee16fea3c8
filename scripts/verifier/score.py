"""Runs an exported verifier with onnxruntime, and takes its time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier.encode import by_length, pad

from synapse_cache.adapters.verifier_encoding import Encoded, Encoder


class Scorer:
    """Logits of pairs; `batch` 1 where the model's batches are not invariant."""

    def __init__(self, model: Path, encoder: Encoder, *, batch: int = 16, threads: int = 1) -> None:
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._encoder, self._batch = encoder, batch

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """One logit for each pair: the mean of both directions, so that the score is symmetric."""
        ways = [self._encoder(a, b) for a, b in pairs] + [self._encoder(b, a) for a, b in pairs]
        logits = np.empty(len(ways))
        for places in by_length(ways, self._batch):
            logits[places] = self.run([ways[place] for place in places])
        return (logits[: len(pairs)] + logits[len(pairs) :]) / 2

    def run(self, batch: Sequence[Encoded]) -> NDArray[np.float32]:
        """Logits of one batch as it is."""
        ids, kinds, mask = pad(batch)
        (logits,) = self._session.run(("logits",), {"ids": ids, "kinds": kinds, "mask": mask})
        found: NDArray[np.float32] = logits
        return found

    def milliseconds(self, candidates: Sequence[tuple[str, str]], *, together: bool, rounds: int = 40) -> float:
        """The median CPU time of scoring some candidates in one direction, encoding included."""
        taken = []
        for _ in range(rounds):
            started = time.process_time()
            batch = [self._encoder(a, b) for a, b in candidates]
            for part in [batch] if together else [[one] for one in batch]:
                self.run(part)
            taken.append((time.process_time() - started) * 1000)
        return float(np.median(taken))
