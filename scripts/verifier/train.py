"""Trains the verifier on the mixture of `generate`; the same seed gives the same model on the same machine."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scripts.verifier import network
from scripts.verifier.encode import pad
from scripts.verifier.pairs import Pair

from synapse_cache.adapters.verifier_encoding import Encoder

_BUCKET_BATCHES = 24
_CHECKPOINT_STEPS = 500
_FRESH_PACE = 5.0  # marks and head start from noise, the rest from trained weights


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to train; `threads` cores, `halves`: bfloat16 where the processor has it, `pause`: waits while it exists."""

    layers: int = 6
    batch: int = 64
    rate: float = 1.2e-4
    warmup: float = 0.06
    smoothing: float = 0.01
    dropout: float = 0.05
    seed: int = 0
    threads: int = 1
    halves: bool = True
    max_seconds: float = math.inf
    pause: Path | None = None


def train(
    pairs: Sequence[Pair],
    encoder: Encoder,
    minilm: Path,
    schedule: Schedule,
    *,
    start: network.Weights | None = None,
    checkpoint: Path | None = None,
) -> network.Weights:
    """One pass over `pairs` from MiniLM's weights or `start`; prints the loss as it goes.

    A time limit shortens the schedule, not its shape. `checkpoint` is written again every 500 steps.
    """
    torch: Any = import_module("torch")
    torch.set_num_threads(schedule.threads)
    weights = start or network.load(minilm, schedule.layers, schedule.seed)
    trained = [tensor for name, tensor in weights.items() if name != "words"]
    fresh = [weights[name] for name in ("kinds", "head.weight", "head.bias")]
    rest = [tensor for tensor in trained if all(tensor is not new for new in fresh)]
    groups = [{"params": rest, "pace": 1.0}, {"params": fresh, "pace": _FRESH_PACE}]
    optimiser = torch.optim.AdamW(groups, lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01)
    recent: list[float] = []
    started, seen = time.monotonic(), 0
    for step, places in enumerate(_batches(pairs, schedule)):
        waited = _wait(schedule.pause)
        started += waited
        done = max(seen / len(pairs), (time.monotonic() - started) / schedule.max_seconds)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = group["pace"] * schedule.rate * min(1.0, done / schedule.warmup + 0.01) * (1 - done)
        batch = [pairs[place] for place in places]
        loss = _step(torch, weights, encoder, batch, schedule)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent = [*recent[-99:], loss]
        seen += len(batch)
        if checkpoint is not None and step % _CHECKPOINT_STEPS == _CHECKPOINT_STEPS - 1:
            network.save(weights, checkpoint)
        if step % 50 == 0:
            speed = seen / (time.monotonic() - started)
            print(f"{seen:>7} pairs  {done:4.0%}  loss {np.mean(recent):.4f}  {speed:.0f} pairs/s", flush=True)
    return weights


def _step(torch: Any, weights: network.Weights, encoder: Encoder, batch: list[Pair], schedule: Schedule) -> float:
    ids, kinds, mask = (torch.from_numpy(array) for array in pad([encoder(pair.a, pair.b) for pair in batch]))
    labels = torch.tensor([float(pair.label) for pair in batch])
    target = labels * (1 - 2 * schedule.smoothing) + schedule.smoothing
    with torch.autocast("cpu", torch.bfloat16, enabled=schedule.halves):
        logits = network.forward(weights, ids, kinds, mask, dropout=schedule.dropout)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), target)
    loss.backward()
    return float(loss.detach())


def _batches(pairs: Sequence[Pair], schedule: Schedule) -> Iterator[list[int]]:
    """Batches of like length, drawn from buckets in the given order so that the mixture stays even."""
    rng = random.Random(schedule.seed)  # noqa: S311  # no secret
    size = schedule.batch * _BUCKET_BATCHES
    for start in range(0, len(pairs), size):
        bucket = sorted(range(start, min(start + size, len(pairs))), key=lambda p: len(pairs[p].a) + len(pairs[p].b))
        batches = [bucket[first : first + schedule.batch] for first in range(0, len(bucket), schedule.batch)]
        rng.shuffle(batches)
        yield from batches


def _wait(pause: Path | None) -> float:
    """Wait while the pause file exists; the seconds waited."""
    started = time.monotonic()
    while pause is not None and pause.exists():
        time.sleep(2)
    return time.monotonic() - started
