"""Compare ways to search vectors on one core, then measure the embedded store; prints two tables.

    python scripts/bench_vectors.py [--rows 100000] [--vectors base.npy --queries queries.npy] [--only NAME|store]

Without files the vectors are made: 2,000 clusters whose spread gives similarities like those of sentences. Libraries
that are not installed are left out by name. Every candidate runs in a process of its own, so that its memory is known.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[Any]
Search = Callable[[Vectors], Iterable[int]]
DIMENSION = 384
QUERIES = 200
LIMIT = 4
FLOOR = 0.6
"""Least similarity asked of the store; real floors are higher."""
PATIENCE_SECONDS = 900


def made(rows: int) -> tuple[Vectors, Vectors]:
    """Base and queries: unit vectors around common centres."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((2000, DIMENSION), dtype=np.float32)
    chosen = centres[generator.integers(0, len(centres), rows + QUERIES)]
    vectors = chosen + 0.7 * generator.standard_normal(chosen.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:rows], vectors[rows:]


def best(similarities: Vectors, count: int = LIMIT) -> Vectors:
    """Positions of the `count` highest, highest first."""
    top = np.argpartition(similarities, -count)[-count:]
    return top[np.argsort(-similarities[top])]


def quantised(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """One byte a component and a divisor a vector."""
    scales = np.abs(vectors).max(axis=-1) / 127
    return np.rint(vectors / scales[..., None]).astype(np.int8), scales


def _numpy_fp32(base: Vectors) -> Search:
    return lambda query: best(base @ query)


def _numpy_fp16(base: Vectors) -> Search:
    halves = base.astype(np.float16)
    return lambda query: best(halves @ query.astype(np.float16))


def _numkong_int8(base: Vectors) -> Search:
    numkong = importlib.import_module("numkong")
    codes, scales = quantised(base)

    def search(query: Vectors) -> Vectors:
        code, _ = quantised(query[None])
        rough = np.asarray(numkong.cdist(code, codes, metric="dot"))[0] * scales
        candidates = best(rough, 16)
        return candidates[best(base[candidates] @ query)]

    return search


def _numpy_bits(base: Vectors) -> Search:
    mean = base.mean(axis=0)
    words = np.ascontiguousarray(np.packbits(base > mean, axis=1).view(np.uint64).T)

    def search(query: Vectors) -> Vectors:
        code = np.packbits(query > mean).view(np.uint64)
        distance = np.zeros(len(base), np.uint16)
        for word, own in zip(words, code, strict=True):
            distance += np.bitwise_count(word ^ own)
        candidates = np.argpartition(distance, 500)[:500]
        return candidates[best(base[candidates] @ query)]

    return search


def _usearch_hnsw(base: Vectors) -> Search:
    index = importlib.import_module("usearch.index").Index(ndim=base.shape[1], metric="cos", dtype="f16")
    index.add(np.arange(len(base)), base, threads=1)
    return lambda query: index.search(query, LIMIT, threads=1).keys


def _faiss_flat(base: Vectors) -> Search:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(base)
    return lambda query: index.search(query[None], LIMIT)[1][0]


def _faiss_hnsw(base: Vectors) -> Search:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(base.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 100, 64
    index.add(base)
    return lambda query: index.search(query[None], LIMIT)[1][0]


def _hnswlib_hnsw(base: Vectors) -> Search:
    index = importlib.import_module("hnswlib").Index(space="ip", dim=base.shape[1])
    index.init_index(max_elements=len(base), M=16, ef_construction=100)
    index.set_ef(64)
    index.add_items(base, num_threads=1)
    return lambda query: index.knn_query(query, k=LIMIT, num_threads=1)[0][0]


def _sqlite_vec(base: Vectors) -> Search:
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    importlib.import_module("sqlite_vec").load(db)
    db.execute(f"CREATE VIRTUAL TABLE v USING vec0(e float[{base.shape[1]}] distance_metric=cosine)")
    db.executemany("INSERT INTO v(rowid, e) VALUES (?, ?)", ((i, row.tobytes()) for i, row in enumerate(base)))
    question = "SELECT rowid FROM v WHERE e MATCH ? AND k = ?"
    return lambda query: [row[0] for row in db.execute(question, (query.tobytes(), LIMIT))]


CANDIDATES: dict[str, tuple[str, Callable[[Vectors], Search]]] = {
    "numpy fp32": ("numpy", _numpy_fp32),
    "numpy fp16": ("numpy", _numpy_fp16),
    "numkong int8, 16 re-ranked": ("numkong", _numkong_int8),
    "numpy sign bits, 500 re-ranked": ("numpy", _numpy_bits),
    "usearch HNSW fp16": ("usearch", _usearch_hnsw),
    "faiss flat": ("faiss", _faiss_flat),
    "faiss HNSW": ("faiss", _faiss_hnsw),
    "hnswlib HNSW": ("hnswlib", _hnswlib_hnsw),
    "sqlite-vec": ("sqlite_vec", _sqlite_vec),
}


def rss_megabytes() -> float:
    """Memory that this process holds; where the system does not tell, the most that it has held."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def timed(search: Search, queries: Vectors) -> tuple[list[float], list[set[int]]]:
    """Milliseconds and findings of every query."""
    spent, found = [], []
    for query in queries:
        started = time.perf_counter()
        answer = search(query)
        spent.append((time.perf_counter() - started) * 1e3)
        found.append({int(one) for one in answer})
    return spent, found


def measure(name: str, base: Vectors, queries: Vectors) -> dict[str, float]:
    """Figures of one candidate, in this process."""
    _, build = CANDIDATES[name]
    before, started = rss_megabytes(), time.perf_counter()
    search = build(base)
    built = time.perf_counter() - started
    memory = rss_megabytes() - before
    began = time.process_time()
    spent, found = timed(search, queries)
    cpu = (time.process_time() - began) * 1e3 / len(queries)
    expected = [{int(one) for one in best(base @ query)} for query in queries]
    recall = np.mean([len(a & b) / LIMIT for a, b in zip(expected, found, strict=True)])
    return {
        "p50_ms": float(np.median(spent)),
        "p95_ms": float(np.quantile(spent, 0.95)),
        "cpu_ms": cpu,
        "recall": float(recall),
        "build_s": built,
        "memory_mb": memory,
    }


async def measure_store(base: Vectors, queries: Vectors, *, scopes: int) -> dict[str, float]:
    """Figures of the embedded store, answers of 1.5 kB, rows spread over `scopes`."""
    from synapse_cache.adapters.vectors_embedded import EmbeddedVectorStore
    from synapse_cache.model import Entry, Place

    def entry(i: int) -> Entry:
        times = (0.0, 3e9, 3e9)
        return Entry(str(i), f"{i:064d}", f"{i % scopes}", "t", "n", 0, "m", "A prompt. " * 8, b"x" * 1500, 1, *times)

    with tempfile.TemporaryDirectory() as folder:
        store = await EmbeddedVectorStore.open(Path(folder), fingerprint="bench", dimension=DIMENSION)
        started = time.perf_counter()
        for start in range(0, len(base), 500):
            await store.insert([(entry(i), base[i]) for i in range(start, min(start + 500, len(base)))])
        inserted = time.perf_counter() - started
        await store.close()
        before, started = rss_megabytes(), time.perf_counter()
        store = await EmbeddedVectorStore.open(Path(folder), fingerprint="bench", dimension=DIMENSION)
        opened = time.perf_counter() - started
        spent, correct, cpu = [], [], 0.0
        for i, query in enumerate(np.concatenate([queries[:1], queries])):
            scope = (i - 1) % scopes
            started, began = time.perf_counter(), time.process_time()
            matches = await store.search(
                query, place=Place("t", "n"), scope=str(scope), limit=LIMIT, min_similarity=FLOOR, now=1e9
            )
            spent.append((time.perf_counter() - started) * 1e3)
            cpu += (time.process_time() - began) * 1e3 / len(queries) if i else 0.0
            similarities = base[scope::scopes] @ query
            expected = {int(one) * scopes + scope for one in best(similarities) if similarities[one] >= FLOOR}
            if expected:
                correct.append(len(expected & {int(match.entry_id) for match in matches}) / len(expected))
        grown = rss_megabytes() - before
        await store.close()
    return {
        "open_ms": opened * 1e3,
        "first_ms": spent[0],
        "p50_ms": float(np.median(spent[1:])),
        "p95_ms": float(np.quantile(spent[1:], 0.95)),
        "cpu_ms": cpu,
        "recall": float(np.mean(correct)),
        "rows_per_s": len(base) / inserted,
        "memory_mb": store.memory_bytes / 1e6,
        "rss_growth_mb": grown,
    }


def in_own_process(name: str, arguments: Sequence[str]) -> dict[str, float]:
    """What `measure` or `measure_store` returns in a process on one core."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--run", name, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=environment
    )
    if done.returncode:
        print(f"left out: {name} ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
        return {}
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def table(all_rows: dict[str, dict[str, float]]) -> None:
    """Print rows of figures as a Markdown table."""
    rows = {title: figures for title, figures in all_rows.items() if figures}
    names = list(next(iter(rows.values()), ()))
    print(f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for title, figures in rows.items():
        print(f"| {title} | {' | '.join(f'{figures[name]:.4g}' for name in names)} |", flush=True)
    print()


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--only", help="measure only candidates whose name contains this, or only the store")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run_one(chosen)
        return
    passed = [f"--rows={chosen.rows}"]
    passed += [f"--{name}={path}" for name in ("vectors", "queries") if (path := getattr(chosen, name))]
    results = {}
    for name, (library, _) in CANDIDATES.items():
        if chosen.only and chosen.only not in name:
            continue
        if importlib.util.find_spec(library) is None:
            print(f"left out: {name} ({library} is not installed)", file=sys.stderr)
            continue
        results[name] = in_own_process(name, passed)
    if results:
        table(results)
    if chosen.only in {None, "store"} and importlib.util.find_spec("synapse_cache"):
        table({f"embedded store, {scopes} scopes": in_own_process(str(scopes), passed) for scopes in (1, 1000)})


def run_one(chosen: argparse.Namespace) -> None:
    """Measure one candidate, or the store with that many scopes, and print JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if chosen.vectors and chosen.queries:
        base, queries = np.load(chosen.vectors)[: chosen.rows], np.load(chosen.queries)[:QUERIES]
    else:
        base, queries = made(chosen.rows)
    if chosen.run.isdigit():
        print(json.dumps(asyncio.run(measure_store(base, queries, scopes=int(chosen.run)))))
    else:
        print(json.dumps(measure(chosen.run, base, queries)))


if __name__ == "__main__":
    main()
