"""Everything that runs during a measurement, and how one run of it is measured."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import servers
from tests.bench.backends import configuration
from tests.bench.doors import Ask, Door
from tests.bench.driver import drive
from tests.bench.figures import Figures, figures
from tests.bench.machine import Meter, cpu_seconds
from tests.bench.servers import Mesh, Server
from tests.bench.tongues import CLIENT_TONGUES

_QUIET_CORES = 0.03
_QUIET_POLL_SECONDS = 0.1
_QUIET_LIMIT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class World:
    """The servers of a benchmark: the mesh, its upstream, and what the floors need."""

    mesh: Mesh
    hedged: Mesh
    upstream: Server
    app: Server
    valkey: Server
    pids: Mapping[str, int]
    hedged_pids: Mapping[str, int]

    @property
    def door(self) -> Door:
        """The mesh's chat completions."""
        return self.door_in("chat")

    def door_in(self, tongue: str, *headers: tuple[str, str]) -> Door:
        """The mesh, asked in a client's protocol, with its key and further headers."""
        return Door(self.mesh.port, CLIENT_TONGUES[tongue], (_bearer(self.mesh), *headers))

    @property
    def hedged_door(self) -> Door:
        """Chat completions of the mesh that asks the upstream while it searches by meaning."""
        return Door(self.hedged.port, headers=(_bearer(self.hedged),))

    def upstream_calls(self) -> int:
        """How many questions the upstream has answered."""
        return int(servers.fetch(f"http://127.0.0.1:{self.upstream.port}/calls"))

    async def settle(self) -> None:
        """Wait until the mesh has nothing left to do, such as writing behind."""
        limit = time.monotonic() + _QUIET_LIMIT_SECONDS
        while time.monotonic() < limit:
            before = sum(map(cpu_seconds, self.pids.values()))
            await asyncio.sleep(_QUIET_POLL_SECONDS)
            if sum(map(cpu_seconds, self.pids.values())) - before < _QUIET_CORES * _QUIET_POLL_SECONDS:
                return

    async def measure(self, port: int, asks: Iterator[Ask], *, concurrency: int, seconds: float) -> Figures:
        """One run against a port of this world; what the mesh does behind the last answer counts, too."""
        pids = self.pids_behind(port)
        await self.settle()
        calls, upstream_cpu = self.upstream_calls(), cpu_seconds(self.upstream.pid)
        before = Meter.read(pids)
        tally = await drive(port, asks, concurrency=concurrency, seconds=seconds)
        driver = cpu_seconds(os.getpid()) - before.own
        await self.settle()
        used = Meter.read(pids).since(before)
        upstream_cpu = 0.0 if port == self.upstream.port else cpu_seconds(self.upstream.pid) - upstream_cpu
        upstream_calls = self.upstream_calls() - calls
        return figures(tally, used, driver_cpu=driver, known_cpu=upstream_cpu, upstream_calls=upstream_calls)

    def pids_behind(self, port: int) -> Mapping[str, int]:
        """The processes that answer at a port of this world, by name."""
        if port in {self.mesh.port, self.hedged.port}:
            return self.pids if port == self.mesh.port else self.hedged_pids
        return {"app": self.app.pid} if port == self.app.port else {"upstream": self.upstream.pid}


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """All servers, with their state and logs in `folder`."""
    with ExitStack() as stack:
        upstream = stack.enter_context(servers.upstream(folder))
        app = stack.enter_context(servers.constant_app(folder))
        valkey = stack.enter_context(servers.valkey(folder))
        router = configuration(upstream.port)
        mesh = stack.enter_context(servers.mesh(folder / "state", {"router": router}))
        hedged = stack.enter_context(
            servers.mesh(folder / "hedged", {"router": router, "cache": {"hedge_after_ms": 0}})
        )
        yield World(mesh, hedged, upstream, app, valkey, mesh.pids(), hedged.pids())


def _bearer(mesh: Mesh) -> tuple[str, str]:
    return "Authorization", f"Bearer {mesh.key}"
