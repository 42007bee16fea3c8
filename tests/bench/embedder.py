"""Calls the bundled model in this process, at a given pace, and prints what a text costs as JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from itertools import islice

from synapse_embed.adapters import minilm
from tests.bench.questions import reworded

_WARM_UP_CALLS = 5


def main() -> None:
    """Tokenise and encode new wordings of the known questions until the time is over."""
    parser = argparse.ArgumentParser(description="The embedder's own CPU.")
    parser.add_argument("--batch", type=int, default=1, help="texts of one call")
    parser.add_argument("--rate", type=float, default=0.0, help="texts a second; 0 means as fast as it goes")
    parser.add_argument("--seconds", type=float, default=3.0)
    args = parser.parse_args()
    model, questions = minilm.load(), reworded(seed=time.monotonic_ns())

    def call() -> float:
        began = time.perf_counter()
        model.encode([model.tokenise(question.text) for question in islice(questions, args.batch)])
        return time.perf_counter() - began

    for _ in range(_WARM_UP_CALLS):
        call()
    took: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    while (elapsed := time.perf_counter() - began) < args.seconds:
        due = len(took) * args.batch / args.rate if args.rate else 0.0
        if due > elapsed:
            time.sleep(due - elapsed)
        took.append(call())
    texts = len(took) * args.batch
    told = {
        "texts": texts,
        "wall_seconds": time.perf_counter() - began,
        "p50_ms": statistics.median(took) * 1e3,
        "cpu_us": (time.process_time() - cpu) / texts * 1e6,
        "all_cpu_seconds": time.process_time(),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
