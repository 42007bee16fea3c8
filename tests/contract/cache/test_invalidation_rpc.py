"""Invalidation over a real gRPC channel: who may ask for what, what is told, and what a second replica does."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.cache.v1 import invalidation_pb2 as wire
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.adapters.trail_redis import RedisTrail
from synapse_cache.app import SERVICE
from synapse_cache.rpc.entries import EntriesRpc
from synapse_cache.rpc.invalidations import InvalidationsRpc
from synapse_cache.rpc.serving import ServingRpc
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import RULES, CacheWorld, Together, a_request, cache_world
from tests.support.redis_servers import RedisServer

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
FRANCE = "What is the capital of France?"


@dataclass
class Door:
    """The service's stub, the world behind it, and the metadata of its callers."""

    stub: CacheServiceStub
    world: CacheWorld

    def as_(self, role: Role = Role.OPERATOR, tenant: str = "acme") -> dict[str, Any]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, f"{tenant}'s", role), "req-1"), "timeout": 10}

    async def ask(self, text: str = FRANCE, tenant: str = "acme", **control: Any) -> outcome_pb2.Outcome:
        request = cache_pb2.GenerateRequest(request=a_request(text), control=outcome_pb2.CacheControl(**control))
        return (await self.stub.Generate(request, **self.as_(Role.VIEWER, tenant))).outcome

    async def invalidate(
        self, role: Role = Role.OPERATOR, caller: str = "acme", **wanted: Any
    ) -> wire.InvalidateResponse:
        with own_errors():
            return await self.stub.Invalidate(wire.InvalidateRequest(**wanted), **self.as_(role, caller))

    async def trail(self, role: Role = Role.OPERATOR, tenant: str = "acme", **wanted: Any) -> Any:
        with own_errors():
            return await self.stub.ListInvalidations(wire.ListInvalidationsRequest(**wanted), **self.as_(role, tenant))

    async def is_gone(self, text: str = FRANCE) -> bool:
        return (await self.ask(text, preview=True)).status == outcome_pb2.CACHE_STATUS_MISS


@asynccontextmanager
async def opened(together: Together | None = None, *, near_entries: int = 0) -> AsyncIterator[Door]:
    async with cache_world(together=together, near_entries=near_entries) as world:
        faces = (
            ServingRpc(world.cache, RULES),
            EntriesRpc(world.invalidation, embedder=lambda: "hashing"),
            InvalidationsRpc(world.invalidation, world.broadcast),
        )
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, *faces)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Door(CacheServiceStub(channel), world)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as door:
        yield door


@pytest.mark.parametrize(
    "wanted",
    [
        {"tag": "geo"},
        {"model": "m"},
        {"namespace": "default"},
        {"all": True},
        {"tag": "geo", "namespace": "default", "model": "m"},
        {"similar_to": "the capital of France", "min_similarity": 0.6},
    ],
)
async def test_each_condition_and_their_union_remove(door: Door, wanted: dict[str, Any]) -> None:
    await door.ask(tags=["geo"])
    await door.world.settled()
    told = await door.invalidate(**wanted)
    assert (told.removed, told.matched) == (1, 1)
    assert told.invalidation_id
    assert await door.is_gone()


async def test_an_age_is_counted_from_now(door: Door) -> None:
    await door.ask()
    assert (await door.invalidate(older_than={"seconds": 3600})).removed == 0
    assert (await door.invalidate(older_than={"seconds": 0})).removed == 1


async def test_an_id_with_a_condition_that_it_does_not_meet_stays(door: Door) -> None:
    entry_id = (await door.ask(tags=["geo"])).entry_id
    assert (await door.invalidate(id=entry_id, tag="food")).removed == 0
    assert (await door.invalidate(id=entry_id, tag="geo")).removed == 1


async def test_a_dry_run_tells_and_leaves(door: Door) -> None:
    entry_id = (await door.ask(tags=["geo"])).entry_id
    for wanted in ({"tag": "geo"}, {"namespace": "default"}, {"all": True}):
        told = await door.invalidate(dry_run=True, **wanted)
        assert (told.removed, told.matched, list(told.sample_ids), told.invalidation_id) == (0, 1, [entry_id], "")
    assert not await door.is_gone()
    assert not (await door.trail()).invalidations


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "id"),
        ({"reason": "because"}, "id"),
        ({"all": True, "tag": "geo"}, "all"),
        ({"all": True, "namespace": "docs"}, "all"),
        ({"key": "nonsense"}, "key"),
        ({"namespace": "a b"}, "namespace"),
        ({"tag": "x" * 65}, "tag"),
        ({"tag": "x", "reason": "y" * 257}, "reason"),
        ({"older_than": {"seconds": -1}}, "older_than"),
        ({"tag": "x", "min_similarity": 0.5}, "min_similarity"),
        ({"similar_to": "x", "min_similarity": 1.5}, "min_similarity"),
        ({"similar_to": "word " * 3000}, "similar_to"),
    ],
)
async def test_a_wrong_invalidation_is_refused_by_name(door: Door, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await door.invalidate(**wanted)
    assert caught.value.metadata["field"] == field


async def test_only_an_admin_takes_back_what_is_anothers(door: Door) -> None:
    await door.ask()
    with pytest.raises(errors.PermissionDenied):
        await door.invalidate(caller="globex", tenant="acme", all=True)
    assert not await door.is_gone()
    await door.invalidate(Role.ADMIN, "globex", tenant="acme", all=True)
    assert await door.is_gone()


async def test_an_operator_sees_its_tenants_trail_and_an_admin_everybodys(door: Door) -> None:
    await door.invalidate(tag="a", reason="a mistake", older_than={"seconds": 60})
    await door.invalidate(caller="globex", namespace="docs")
    (mine,) = (await door.trail()).invalidations
    assert (mine.tenant, mine.actor, mine.conditions.tag, mine.conditions.reason) == (
        "acme",
        "acme's",
        "a",
        "a mistake",
    )
    assert mine.conditions.older_than.ToSeconds() == 60
    assert abs(mine.time.ToSeconds() - door.world.clock()) < 5
    everybodys = (await door.trail(Role.ADMIN)).invalidations
    assert [one.tenant for one in everybodys] == ["globex", "acme"]


async def test_an_admin_asks_for_one_tenants_trail(door: Door) -> None:
    await door.invalidate(tag="a")
    await door.invalidate(caller="globex", tag="b")
    request = wire.ListInvalidationsRequest(tenant="globex")
    found = await door.stub.ListInvalidations(request, **door.as_(Role.ADMIN))
    assert [one.conditions.tag for one in found.invalidations] == ["b"]
    with pytest.raises(errors.PermissionDenied), own_errors():
        await door.stub.ListInvalidations(request, **door.as_())


async def test_the_trail_comes_in_pages_newest_first(door: Door) -> None:
    for tag in "abc":
        await door.invalidate(tag=tag)
    first = await door.trail(page_size=2)
    second = await door.trail(page_size=2, page_token=first.next_page_token)
    assert [one.conditions.tag for page in (first, second) for one in page.invalidations] == ["c", "b", "a"]
    assert not second.next_page_token


@pytest.mark.parametrize("wanted", [{"page_size": -1}, {"page_size": 1001}, {"page_token": "x"}])
async def test_a_page_that_cannot_be_is_refused(door: Door, wanted: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidArgument):
        await door.trail(**wanted)


async def test_a_viewer_neither_removes_nor_sees_nor_hears(door: Door) -> None:
    for asked in (door.invalidate(Role.VIEWER, tag="a"), door.trail(Role.VIEWER)):
        with pytest.raises(errors.PermissionDenied):
            await asked
    with pytest.raises(errors.PermissionDenied), own_errors():
        await anext(aiter(door.stub.WatchInvalidations(wire.WatchInvalidationsRequest(), **door.as_(Role.VIEWER))))


async def test_a_watcher_hears_of_what_went(door: Door) -> None:
    outcome = await door.ask(tags=["geo"])
    watching = aiter(door.stub.WatchInvalidations(wire.WatchInvalidationsRequest(), **door.as_()))
    first = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0.1)
    await door.invalidate(tag="geo")
    heard = (await asyncio.wait_for(first, 2)).invalidation
    assert (list(heard.keys), list(heard.entry_ids)) == ([outcome.key], [outcome.entry_id])
    await door.invalidate(namespace="docs")
    flushed = (await asyncio.wait_for(anext(watching), 2)).invalidation
    assert (flushed.namespace, list(flushed.keys), flushed.removed) == ("docs", [], -1)


async def test_a_watcher_goes_on_where_it_was(door: Door) -> None:
    await door.invalidate(namespace="a")
    last = (await door.trail()).invalidations[0].id
    await door.invalidate(namespace="b")
    request = wire.WatchInvalidationsRequest(after_id=last)
    watching = aiter(door.stub.WatchInvalidations(request, **door.as_()))
    assert (await asyncio.wait_for(anext(watching), 2)).invalidation.namespace == "b"
    lost = aiter(door.stub.WatchInvalidations(wire.WatchInvalidationsRequest(after_id="1-1"), **door.as_()))
    assert (await asyncio.wait_for(anext(lost), 2)).gap


@asynccontextmanager
async def two_replicas(server: RedisServer) -> AsyncIterator[tuple[Door, Door]]:
    """Two replicas on one real Redis, each with a vector store of its own and a near cache."""
    prefix, together = f"t-{secrets.token_hex(6)}", Together()
    async with AsyncExitStack() as stack:
        together.exact = RedisExactStore.open(server.url, prefix=prefix, socket_timeout_seconds=5, clock=together.clock)
        stack.push_async_callback(together.exact.close)
        together.trail = RedisTrail.open(server.url, prefix=prefix, timeout_seconds=3)
        stack.push_async_callback(together.trail.close)
        doors = [await stack.enter_async_context(opened(together, near_entries=100)) for _ in range(2)]
        yield doors[0], doors[1]


@pytest.mark.parametrize(
    "wanted",
    [
        lambda outcome: {"id": outcome.entry_id},
        lambda outcome: {"key": outcome.key},
        lambda _: {"tag": "geo"},
        lambda _: {"model": "m"},
        lambda _: {"namespace": "default"},
        lambda _: {"all": True},
        lambda _: {"older_than": {"seconds": 0}},
        lambda _: {"similar_to": "the capital of France", "min_similarity": 0.6},
    ],
    ids=["id", "key", "tag", "model", "namespace", "all", "age", "likeness"],
)
async def test_what_goes_on_one_replica_is_gone_on_the_other_within_a_second(
    redis_servers: Callable[[str], RedisServer], wanted: Callable[[outcome_pb2.Outcome], dict[str, Any]]
) -> None:
    async with two_replicas(redis_servers("valkey-9")) as (one, other):
        for _ in range(3):
            outcome = await other.ask(tags=["geo"])
        assert outcome.tier == outcome_pb2.CACHE_TIER_L0
        await other.world.settled()
        await one.invalidate(**wanted(outcome))
        deadline = time.monotonic() + 1
        while not await other.is_gone():
            assert time.monotonic() < deadline, "it is still served"
            await asyncio.sleep(0.005)
        assert await one.is_gone()


async def test_an_invalidation_without_redis_is_unavailable_and_everything_still_answers(
    redis_server: RedisServer,
) -> None:
    async with two_replicas(redis_server) as (one, other):
        await other.ask(tags=["geo"])
        redis_server.stop()
        with pytest.raises(errors.Unavailable):
            await one.invalidate(tag="geo")
        assert (await other.ask()).tier != outcome_pb2.CACHE_TIER_L0
        redis_server.start()
