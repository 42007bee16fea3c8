"""Whole cache services on one Redis, with a backend that counts: they share its calls, whatever happens to them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from synapse.cache.v1 import cache_pb2 as wire
from synapse.cache.v1 import coalescer_pb2, outcome_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse.router.v1 import router_pb2
from synapse_cache.adapters.replay import events_of
from synapse_cache.app import run
from synapse_cache.settings import CacheSettings
from synapse_runtime.call import Call
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import a_generation, a_request
from tests.support.mesh import free_port
from tests.support.redis_servers import RedisServer

ROUTER = router_pb2.DESCRIPTOR.services_by_name["RouterService"]
SECRET = "replicas"
HIT, MISS = outcome_pb2.CACHE_STATUS_HIT, outcome_pb2.CACHE_STATUS_MISS
START_SECONDS = 30.0


@dataclass
class Backend:
    """A router that answers when its gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def generate(self, _request: router_pb2.GenerateRequest, _call: Call) -> router_pb2.GenerateResponse:
        self.calls += 1
        await self.gate.wait()
        return router_pb2.GenerateResponse(generation=a_generation(f"Answer {self.calls}."))

    async def stream_generate(
        self, _request: router_pb2.StreamGenerateRequest, _call: Call
    ) -> AsyncGenerator[router_pb2.StreamGenerateResponse, None]:
        self.calls += 1
        for event in events_of(a_generation(f"Answer {self.calls}.")):
            yield router_pb2.StreamGenerateResponse(events=[event])
            await self.gate.wait()

    async def called(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(10):
            while self.calls < times:  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0.005)


@dataclass
class Replica:
    """A cache service as its callers see it."""

    stub: CacheServiceStub

    async def ask(self, text: str, *, seconds: float = 30, **control: Any) -> wire.GenerateResponse:
        request = wire.GenerateRequest(request=a_request(text), control=outcome_pb2.CacheControl(**control))
        return await self.stub.Generate(request, **_as(Role.VIEWER), timeout=seconds)

    async def ask_streamed(self, text: str) -> outcome_pb2.Outcome:
        request = wire.StreamGenerateRequest(request=a_request(text))
        messages = [each async for each in self.stub.StreamGenerate(request, **_as(Role.VIEWER), timeout=30)]
        assert [event for message in messages for event in message.events][-1].HasField("usage")
        return messages[0].outcome

    async def stats(self, role: Role = Role.ADMIN) -> coalescer_pb2.GetCoalescerStatsResponse:
        return await self.stub.GetCoalescerStats(coalescer_pb2.GetCoalescerStatsRequest(), **_as(role))

    async def flush(self) -> int:
        reply = await self.stub.FlushCoalescer(coalescer_pb2.FlushCoalescerRequest(), **_as(Role.OPERATOR))
        return int(reply.flushed)


def _as(role: Role) -> dict[str, object]:
    mesh = MeshSettings.model_validate({"secret": SECRET})
    return {"metadata": CallMetadata(mesh).of(Identity("acme", "test", role), "req-1")}


@dataclass
class Mesh:
    """One backend, one Redis, and as many replicas as are opened."""

    backend: Backend
    settings: dict[str, Any]
    mesh: dict[str, Any]
    folder: Path
    stack: AsyncExitStack
    opened: int = 0

    async def replica(self, **changes: Any) -> Replica:
        """Another cache service in this process."""
        section = self._section(**changes)
        service = await self.stack.enter_async_context(
            run(CacheSettings.model_validate(section), MeshSettings.model_validate(self.mesh))
        )
        return await self._at(service.grpc_port)

    async def process(self) -> tuple[Replica, asyncio.subprocess.Process]:
        """Another one in a process of its own."""
        port = free_port()
        config = self.folder / f"{port}.json"
        section = self._section(listen=f"127.0.0.1:{port}", probes=f"127.0.0.1:{free_port()}")
        config.write_text(json.dumps({"cache": section, "mesh": self.mesh}, default=str))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "synapse_cache"),
            env={**os.environ, "SYNAPSE_CONFIG_PATH": str(config)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.stack.push_async_callback(_ended, child)
        replica = await self._at(port)
        await _soon(replica.stats)
        return replica, child

    def _section(self, **changes: Any) -> dict[str, Any]:
        self.opened += 1
        return self.settings | {"data_dir": self.folder / f"replica-{self.opened}"} | changes

    async def _at(self, port: int) -> Replica:
        channel = await self.stack.enter_async_context(open_channel(f"127.0.0.1:{port}", linked=False))
        return Replica(CacheServiceStub(channel))


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.kill()
    await child.wait()


async def _soon(attempt: Callable[[], Awaitable[object]]) -> None:
    """Try until it works."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            await attempt()
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


@asynccontextmanager
async def meshes(redis_server: RedisServer, folder: Path) -> AsyncIterator[Mesh]:
    async with AsyncExitStack() as stack:
        backend, own = Backend(), MeshSettings.model_validate({"secret": SECRET, "drain_seconds": 1})
        router = await stack.enter_async_context(serving("127.0.0.1:0", [Service(ROUTER, backend)], mesh=own))
        settings = {
            "listen": "127.0.0.1:0",
            "probes": "127.0.0.1:0",
            "redis_url": redis_server.url,
            "redis_prefix": f"t-{folder.name[-20:]}",
            "redis_budget_ms": 2000,
            "vectors": "memory",
            "semantic": False,
            "verifier": {"enabled": False},
            "coalescing": {"wait_ms": 20_000, "lease_ms": 1_000},
        }
        mesh = {"secret": SECRET, "drain_seconds": 1, "router_target": f"127.0.0.1:{router.port}"}
        yield Mesh(backend, settings, mesh, folder, stack)


@pytest.fixture
async def mesh(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with meshes(redis_server, tmp_path) as mesh:
        yield mesh


def collapsed(replies: list[wire.GenerateResponse]) -> int:
    return sum(reply.outcome.collapsed for reply in replies)


async def test_fifty_who_ask_two_replicas_make_one_call(mesh: Mesh) -> None:
    patient = {"wait_ms": 20_000, "lease_ms": 10_000}  # a busy machine may stop for a second
    both = [await mesh.replica(coalescing=patient) for _ in range(2)]
    asking = [asyncio.create_task(both[i % 2].ask("Why is the sky blue?")) for i in range(50)]
    await mesh.backend.called(1)
    await asyncio.sleep(1.5)  # until all have joined, on a busy machine, too
    mesh.backend.gate.set()
    replies = await asyncio.gather(*asking)
    assert mesh.backend.calls == 1
    assert collapsed(replies) == 49
    assert {reply.generation.choices[0].content for reply in replies} == {"Answer 1."}
    stats = [await replica.stats() for replica in both]
    assert sorted(one.started for one in stats) == [0, 1]
    assert sum(one.joined for one in stats) == 48
    assert sum(one.joined_elsewhere for one in stats) == 1


async def test_replicas_that_do_not_share_ask_each_by_itself(mesh: Mesh) -> None:
    alone = {"coalescing": {"across_replicas": False}}
    both = [await mesh.replica(**alone) for _ in range(2)]
    asking = [asyncio.create_task(replica.ask("Why is the sky blue?")) for replica in both]
    await mesh.backend.called(2)
    mesh.backend.gate.set()
    assert collapsed(await asyncio.gather(*asking)) == 0


async def test_a_killed_leader_is_replaced_and_everybody_is_answered(mesh: Mesh) -> None:
    leader, child = await mesh.process()
    others = [await mesh.replica() for _ in range(2)]
    lost = asyncio.create_task(leader.ask("Why is the sky blue?"))
    await mesh.backend.called(1)
    waiting = [asyncio.create_task(other.ask("Why is the sky blue?")) for other in others for _ in range(5)]
    await asyncio.sleep(0.2)
    assert mesh.backend.calls == 1
    child.kill()
    killed = time.monotonic()
    await mesh.backend.called(2)
    assert time.monotonic() - killed < 3
    await asyncio.sleep(0.7)
    mesh.backend.gate.set()
    replies = await asyncio.gather(*waiting)
    assert mesh.backend.calls == 2
    assert (len(replies), collapsed(replies)) == (10, 9)
    assert sum([(await other.stats()).replaced for other in others]) == 1
    assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], Exception)


async def test_a_followers_deadline_is_its_own(mesh: Mesh) -> None:
    here, there = [await mesh.replica() for _ in range(2)]
    leading = asyncio.create_task(here.ask("Why is the sky blue?"))
    await mesh.backend.called(1)
    started = time.monotonic()
    with pytest.raises(Exception, match=r"(?i)deadline"):
        await there.ask("Why is the sky blue?", seconds=0.5)
    assert time.monotonic() - started < 2
    mesh.backend.gate.set()
    assert (await leading).outcome.stored
    assert mesh.backend.calls == 1


async def test_a_streamed_request_follows_a_whole_one(mesh: Mesh) -> None:
    here, there = [await mesh.replica() for _ in range(2)]
    leading = asyncio.create_task(here.ask("Why is the sky blue?"))
    await mesh.backend.called(1)
    following = asyncio.create_task(there.ask_streamed("Why is the sky blue?"))
    await asyncio.sleep(0.1)
    mesh.backend.gate.set()
    assert (await following).collapsed
    assert (await leading).outcome.stored
    assert mesh.backend.calls == 1


async def test_a_dead_redis_keeps_nobody_from_an_answer(mesh: Mesh, redis_server: RedisServer) -> None:
    both = [await mesh.replica(redis_budget_ms=100) for _ in range(2)]
    mesh.backend.gate.set()
    await asyncio.gather(*(replica.ask("Who wrote Hamlet?") for replica in both))
    before = mesh.backend.calls
    redis_server.stop()
    try:
        replies = await asyncio.gather(*(replica.ask("Why is the sky blue?", seconds=5) for replica in both))
    finally:
        redis_server.start()
    assert [reply.outcome.status for reply in replies] == [MISS, MISS]
    assert mesh.backend.calls == before + 2


async def test_a_redis_that_dies_meanwhile_frees_those_who_wait(mesh: Mesh, redis_server: RedisServer) -> None:
    here, there = [await mesh.replica(redis_budget_ms=100) for _ in range(2)]
    asking = [asyncio.create_task(here.ask("Why is the sky blue?"))]
    await mesh.backend.called(1)
    asking.append(asyncio.create_task(there.ask("Why is the sky blue?")))
    await asyncio.sleep(0.2)
    redis_server.stop()
    try:
        await mesh.backend.called(2)
        mesh.backend.gate.set()
        replies = await asyncio.gather(*asking)
    finally:
        redis_server.start()
    assert len(replies) == 2


async def test_an_operator_ends_the_sharing_on_every_replica(mesh: Mesh) -> None:
    here, there = [await mesh.replica() for _ in range(2)]
    await asyncio.sleep(0.3)  # they listen
    asking = [asyncio.create_task(here.ask("Why is the sky blue?"))]
    await mesh.backend.called(1)
    asking.append(asyncio.create_task(there.ask("Why is the sky blue?")))
    await asyncio.sleep(0.1)
    assert (await here.stats(Role.VIEWER)).in_flight == 1
    assert await there.flush() == 1
    await mesh.backend.called(2)
    assert (await here.stats()).in_flight == 0
    asking.append(asyncio.create_task(here.ask("Why is the sky blue?")))
    await mesh.backend.called(3)
    mesh.backend.gate.set()
    assert collapsed(await asyncio.gather(*asking)) == 0


async def test_replicas_serve_a_stale_answer_and_refresh_it_once(mesh: Mesh) -> None:
    both = [await mesh.replica(ttl_seconds=0.3, stale_while_revalidate_seconds=60) for _ in range(2)]
    mesh.backend.gate.set()
    await both[0].ask("Why is the sky blue?")
    await asyncio.sleep(0.5)
    mesh.backend.gate.clear()
    replies = [await replica.ask("Why is the sky blue?") for replica in both for _ in range(5)]
    await asyncio.sleep(0.1)
    assert {(reply.outcome.status, reply.outcome.stale, reply.outcome.reason) for reply in replies} == {
        (HIT, True, "stale_while_revalidate")
    }
    assert all(reply.outcome.ttl.ToMilliseconds() < 0 for reply in replies)
    assert mesh.backend.calls == 2
    mesh.backend.gate.set()
