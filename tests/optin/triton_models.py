"""Serves the bundled model on a real Triton until it is told to stop; run inside Triton's own environment.

Two models: `minilm_texts` takes texts, `minilm_tokens` takes token ids and their mask.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from synapse_embed.adapters import minilm
from synapse_embed.model import Tokens

MAX_BATCH = 16


def main() -> None:
    """Command line: where the weights and the built graph lie, and the ports."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (
        ("--weights", Path),
        ("--graphs", Path),
        ("--workspace", Path),
        ("--http", int),
        ("--grpc", int),
    ):
        parser.add_argument(name, type=kind, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)  # else the server outlives us for half a minute
    model = minilm.load(folder=asked.weights, model_dir=asked.graphs)
    where = {"http_address": "127.0.0.1", "grpc_address": "127.0.0.1", "allow_metrics": False, "exit_timeout_secs": 2}
    config = TritonConfig(http_port=asked.http, grpc_port=asked.grpc, **where)
    with Triton(config=config, workspace=str(asked.workspace)) as triton:
        bind(triton, model)
        triton.serve()


def bind(triton: Any, model: minilm.MiniLm) -> None:
    """Give Triton the two models."""

    @batch
    def from_texts(text: Any) -> dict[str, Any]:
        tokens = [model.tokenise(row[0].decode()) for row in text]
        return {"embedding": _rows(model, tokens)}

    @batch
    def from_tokens(input_ids: Any, attention_mask: Any) -> dict[str, Any]:
        lengths = attention_mask.sum(axis=1)
        tokens = [
            Tokens(ids[:length].tolist(), truncated=False) for ids, length in zip(input_ids, lengths, strict=True)
        ]
        return {"embedding": _rows(model, tokens)}

    config = ModelConfig(max_batch_size=MAX_BATCH, batcher=DynamicBatcher(max_queue_delay_microseconds=500))
    outputs = [Tensor(name="embedding", dtype=np.float32, shape=(minilm.DIMENSION,))]
    texts = [Tensor(name="text", dtype=bytes, shape=(1,))]
    tokens = [Tensor(name=name, dtype=np.int64, shape=(-1,)) for name in ("input_ids", "attention_mask")]
    triton.bind(model_name="minilm_texts", infer_func=from_texts, inputs=texts, outputs=outputs, config=config)
    triton.bind(model_name="minilm_tokens", infer_func=from_tokens, inputs=tokens, outputs=outputs, config=config)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _rows(model: minilm.MiniLm, tokens: list[Tokens]) -> Any:
    return np.stack([np.frombuffer(row, np.float32) for row in model.encode(tokens)])


if __name__ == "__main__":
    sys.exit(main())
