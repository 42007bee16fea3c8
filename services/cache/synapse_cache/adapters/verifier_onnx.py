"""The verifier that ships: a small cross-encoder on onnxruntime, one pair at a time (docs/model-card.md)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from synapse_cache.adapters.verifier_encoding import Encoder

FOLDER = Path(__file__).resolve().parent.parent / "verifier"
_KEPT_SCORES = 8_192


class OnnxVerifier:
    """Verifier on one core, in a thread of its own so that requests go on meanwhile."""

    def __init__(self, folder: Path = FOLDER) -> None:
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "verifier.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._encoder = Encoder(folder / "tokenizer.json")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verifier")
        self._score = lru_cache(_KEPT_SCORES)(self.logit)

    async def score(self, asked: str, stored: str) -> float | None:
        """As in Verifier."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._score, stored, asked)

    async def close(self) -> None:
        """As in Verifier."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def logit(self, a: str, b: str) -> float | None:
        """The logit of one pair, now; None when a text is longer than the model sees."""
        pair = self._encoder(a, b)
        if not pair.whole:
            return None
        ids, kinds = np.array([pair.ids], np.int64), np.array([pair.kinds], np.int64)
        (logits,) = self._session.run(("logits",), {"ids": ids, "kinds": kinds, "mask": np.ones_like(ids)})
        return float(logits[0])
