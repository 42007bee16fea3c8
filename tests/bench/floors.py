"""Floors that no HTTP driver can measure: Redis GET, and the embedder alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

import redis.asyncio as redis

from synapse.embed.v1 import embed_pb2
from synapse.embed.v1.embed_pb2_grpc import EmbedServiceStub
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.identity import Identity
from synapse_runtime.settings import MeshSettings
from tests.bench.driver import Tally
from tests.bench.figures import Figures, figures
from tests.bench.machine import Meter
from tests.bench.questions import reworded
from tests.bench.servers import REPOSITORY
from tests.bench.world import World

_VALUE_BYTES = 2048
_RPC_SEED = 5


async def redis_get(world: World, *, concurrency: int, seconds: float) -> Figures:
    """GET of a 2 KB value with redis-py: CPU of its client, which is this process, and of the server."""
    pids = {"client": os.getpid(), "valkey": world.valkey.pid}
    client = redis.Redis(port=world.valkey.port, max_connections=concurrency)
    await client.set("floor", b"x" * _VALUE_BYTES)
    await world.settle()
    tally, before = Tally(), Meter.read(pids)
    until = time.perf_counter() + seconds

    async def ask() -> None:
        while (began := time.perf_counter()) < until:
            await client.get("floor")
            tally.latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    used = Meter.read(pids).since(before)
    await client.aclose()
    tally.seconds = used.wall
    return figures(tally, used, known_cpu=-used.own)


async def embed_rpc(world: World, *, concurrency: int, seconds: float) -> Figures:
    """Embed of one new text a call, straight at the embed service: CPU of it and of the client, which is this process."""
    configured = json.loads((world.mesh.state / "config.json").read_text(encoding="utf-8"))
    settings = MeshSettings.model_validate(configured["mesh"])
    metadata = CallMetadata(settings).of(Identity("bench", "bench"), "bench")
    pids = {"client": os.getpid(), "embed": world.pids["embed"]}
    texts = (question.text for question in reworded(_RPC_SEED + time.monotonic_ns()))
    channel = open_channel(settings.embed_target)
    stub = EmbedServiceStub(channel)
    await world.settle()
    tally, before = Tally(), Meter.read(pids)
    until = time.perf_counter() + seconds

    async def ask() -> None:
        while (began := time.perf_counter()) < until:
            await stub.Embed(embed_pb2.EmbedRequest(inputs=[next(texts)]), timeout=10, metadata=metadata)
            tally.latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    used = Meter.read(pids).since(before)
    await channel.close(None)
    tally.seconds = used.wall
    return figures(tally, used, known_cpu=-used.own)


async def embedder(*, batch: int, rate: float, seconds: float) -> Figures:
    """The bundled model called in a process of its own: `batch` texts at a time, `rate` texts a second."""
    command = [sys.executable, "-m", "tests.bench.embedder", "--batch", str(batch)]
    command += ["--rate", f"{rate:.1f}", "--seconds", f"{seconds:g}"]
    before = Meter.read({})
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    told: Mapping[str, float] = json.loads(out)
    used = Meter.read({}).since(before)
    return Figures(
        requests=told["texts"],
        rps=told["texts"] / told["wall_seconds"],
        p50_ms=told["p50_ms"],
        cpu_us={"model": told["cpu_us"]},
        others=max(0.0, (used.machine - told["all_cpu_seconds"]) / used.wall),
    )


def mean_batch(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Texts in one run of the model, between two readings of the embed service's metrics."""
    texts, runs = "synapse_embedding_batch_texts_sum", "synapse_embedding_batch_texts_count"
    return (after[texts] - before[texts]) / max(1.0, after[runs] - before[runs])
