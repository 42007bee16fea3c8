"""Start time and idle memory of a mesh."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import servers
from tests.bench.backends import configuration
from tests.bench.machine import cpu_seconds, pss_bytes

_IDLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Idle:
    """A mesh that was just started: memory in MiB by process, start time in seconds, cores used while idle."""

    start_seconds: float
    memory_mib: Mapping[str, float] = field(default_factory=dict)
    cores: float = 0.0

    @property
    def total_mib(self) -> float:
        """Memory of all processes."""
        return sum(self.memory_mib.values())


def idle(folder: Path, *, models: bool, starts: int = 1) -> Idle:
    """Start a mesh in `folder` and look at it while nobody asks; without `models` the embedder has none in memory.

    Of several starts the start time is the median, and the memory that of the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    took = []
    with servers.upstream(folder) as upstream:
        settings: dict[str, object] = {"router": configuration(upstream.port)}
        if not models:
            settings["embed"] = {"provider": "hashing"}
        for start in range(starts):
            with servers.mesh(folder / "state", settings) as mesh:
                took.append(mesh.start_seconds)
                if start == starts - 1:
                    seen = look(mesh)
    return Idle(statistics.median(took), seen.memory_mib, seen.cores)


def look(mesh: servers.Mesh) -> Idle:
    """A running mesh that nobody asks anything."""
    pids = mesh.pids()
    time.sleep(1.0)
    before, began = sum(map(cpu_seconds, pids.values())), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    cores = (sum(map(cpu_seconds, pids.values())) - before) / (time.monotonic() - began)
    memory = {name: pss_bytes(pid) / 2**20 for name, pid in pids.items()}
    return Idle(mesh.start_seconds, memory, cores)
