"""The decision's CPU time on one core, request by request, as a cache that fills meets them."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from scripts.verifier.embedding import embed
from scripts.verifier.replay import Replay
from scripts.verifier.scored import STREAMS, unseen_requests

from synapse_cache.adapters.verifier_onnx import OnnxVerifier

_MOST_REQUESTS = 400


class _Counting:
    """The verifier, counting how often it is asked; nothing is kept between requests."""

    def __init__(self, verifier: OnnxVerifier) -> None:
        self._verifier = verifier
        self.asked = 0

    async def __call__(self, asked: str, stored: str) -> float | None:
        self.asked += 1
        return self._verifier.logit(stored, asked)


def show(quality: Path, folder: Path) -> None:
    """Print the time of decisions, apart by how often the verifier was asked; embedding and search are not in it."""
    ask, taken = _Counting(OnnxVerifier(folder)), defaultdict[int, list[float]](list)
    for name in STREAMS:
        texts = [row["text"] for row in unseen_requests(quality, name)][:_MOST_REQUESTS]
        policy = Replay(embed(texts), texts, ask=ask)
        for place, text in enumerate(texts):
            before, ask.asked = time.process_time(), 0
            policy.request(place, text)
            taken[ask.asked].append((time.process_time() - before) * 1000)
        policy.close()
    print(f"{'verifier asked':>15} {'requests':>9} {'median':>8} {'p99':>8} {'most':>8}  (ms of CPU)")
    rows = [(str(asked), times) for asked, times in sorted(taken.items())]
    rows.append(("1 or more", [one for asked, times in taken.items() if asked for one in times]))
    for title, times in rows:
        median, high = np.percentile(times, (50, 99))
        print(f"{title:>15} {len(times):>9} {median:>8.2f} {high:>8.2f} {max(times):>8.2f}")
