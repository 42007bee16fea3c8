"""CacheService over a real gRPC channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from synapse.cache.v1 import cache_pb2 as wire
from synapse.cache.v1 import invalidation_pb2, outcome_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.adapters.replay import events_of
from synapse_cache.adapters.tallies_memory import MemoryTallies
from synapse_cache.analytics.tallies import SharedTallies
from synapse_cache.app import SERVICE
from synapse_cache.report import Report
from synapse_cache.rpc.entries import EntriesRpc
from synapse_cache.rpc.serving import ServingRpc
from synapse_cache.rpc.statistics import StatisticsRpc
from synapse_cache.vector_space import VectorSpace
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import RULES, CacheWorld, a_generation, a_request, cache_world

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})


@dataclass
class Door:
    """The service's stub, the world behind it, and the metadata of its callers."""

    stub: CacheServiceStub
    world: CacheWorld

    def as_(self, role: Role = Role.VIEWER, tenant: str = "acme") -> dict[str, object]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, "test", role), "req-1"), "timeout": 5}

    async def ask(self, text: str = "What is the capital of France?", tenant: str = "acme") -> wire.GenerateResponse:
        return await self.stub.Generate(wire.GenerateRequest(request=a_request(text)), **self.as_(tenant=tenant))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with cache_world() as world:

        async def unopened(_fingerprint: str, _dimension: int) -> object:
            raise AssertionError("not opened in this test")

        faces = (
            ServingRpc(world.cache, RULES),
            EntriesRpc(world.invalidation, embedder=lambda: "hashing"),
            StatisticsRpc(
                Report(
                    SharedTallies(world.stats, MemoryTallies()),
                    world.stores,
                    world.journal,
                    VectorSpace(world.embedder, unopened),
                )
            ),
        )
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, *faces)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Door(CacheServiceStub(channel), world)


async def test_a_miss_then_a_hit(door: Door) -> None:
    miss, hit = await door.ask(), await door.ask()
    assert (miss.outcome.status, hit.outcome.status) == (outcome_pb2.CACHE_STATUS_MISS, outcome_pb2.CACHE_STATUS_HIT)
    assert hit.generation == miss.generation == a_generation()
    assert hit.outcome.tokens_saved == 12
    assert hit.outcome.HasField("ttl")


async def test_the_outcome_is_in_the_metadata_too(door: Door) -> None:
    await door.ask()
    call = door.stub.Generate(wire.GenerateRequest(request=a_request()), **door.as_())
    await call
    assert dict(await call.trailing_metadata())["x-synapse-cache-status"] == "HIT-L1"


async def test_a_streamed_hit_comes_in_one_message(door: Door) -> None:
    await door.ask()
    request = wire.StreamGenerateRequest(request=a_request())
    messages = [message async for message in door.stub.StreamGenerate(request, **door.as_())]
    assert len(messages) == 1
    assert messages[0].outcome.tier == outcome_pb2.CACHE_TIER_L1
    assert list(messages[0].events) == events_of(a_generation())


async def test_a_streamed_miss_tells_its_outcome_before_the_first_event(door: Door) -> None:
    request = wire.StreamGenerateRequest(request=a_request())
    messages = [message async for message in door.stub.StreamGenerate(request, **door.as_())]
    assert messages[0].outcome.status == outcome_pb2.CACHE_STATUS_MISS
    assert not any(message.HasField("outcome") for message in messages[1:])
    assert [event for message in messages for event in message.events] == events_of(a_generation())


async def test_a_late_failure_ends_the_stream_in_its_status(door: Door) -> None:
    door.world.upstream.error, door.world.upstream.error_after = errors.Unavailable("broke"), 2
    call = door.stub.StreamGenerate(wire.StreamGenerateRequest(request=a_request()), **door.as_())
    seen: list[llm.GenerationEvent] = []

    async def read() -> None:
        async for message in call:
            seen.extend(message.events)

    with pytest.raises(errors.Unavailable, match="broke"), own_errors():
        await read()
    assert len(seen) == 2


async def test_the_tenant_is_the_callers_identity(door: Door) -> None:
    await door.ask(tenant="acme")
    assert (await door.ask(tenant="globex")).outcome.status == outcome_pb2.CACHE_STATUS_MISS


@pytest.mark.parametrize(
    ("control", "field"),
    [
        ({"namespace": "a b"}, "namespace"),
        ({"namespace": "x" * 129}, "namespace"),
        ({"tags": ["t"] * 17}, "tags"),
        ({"max_error": 1.5}, "max_error"),
        ({"ttl": {"seconds": -1}}, "ttl"),
    ],
)
async def test_a_wrong_control_is_refused_by_name(door: Door, control: dict[str, object], field: str) -> None:
    request = wire.GenerateRequest(request=a_request(), control=control)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgument) as caught, own_errors():
        await door.stub.Generate(request, **door.as_())
    assert caught.value.metadata["field"] == field


async def test_a_request_without_a_question_is_refused(door: Door) -> None:
    with pytest.raises(errors.InvalidArgument), own_errors():
        await door.stub.Generate(wire.GenerateRequest(), **door.as_())


async def test_only_if_cached_fails_with_its_own_reason(door: Door) -> None:
    request = wire.GenerateRequest(request=a_request(), control=outcome_pb2.CacheControl(only_if_cached=True))
    with pytest.raises(errors.FailedPrecondition) as caught, own_errors():
        await door.stub.Generate(request, **door.as_())
    assert caught.value.reason == "ONLY_IF_CACHED_MISS"


async def test_a_lookup_tells_what_it_considered_and_counts_nothing(door: Door) -> None:
    await door.ask()
    await door.world.settled()
    request = wire.LookupRequest(request=a_request("What is the capital of Spain?"))
    reply = await door.stub.Lookup(request, **door.as_(Role.OPERATOR))
    assert reply.outcome.status == outcome_pb2.CACHE_STATUS_MISS
    assert [(one.veto, one.doubt, one.reason) for one in reply.candidates] == [("", "words", "unverified")]
    assert door.world.upstream.calls == 1
    assert (await door.stub.GetStats(wire.GetStatsRequest(), **door.as_())).requests == 1


async def test_a_viewer_is_not_told_what_others_asked(door: Door) -> None:
    await door.ask()
    await door.world.settled()
    request = wire.LookupRequest(request=a_request("What is the capital of Spain?"))
    reply = await door.stub.Lookup(request, **door.as_(Role.VIEWER))
    assert not reply.candidates


async def test_a_stored_answer_is_served(door: Door) -> None:
    request = wire.StoreRequest(request=a_request("What is love?"), generation=a_generation("Baby."))
    stored = await door.stub.Store(request, **door.as_(Role.OPERATOR))
    assert stored.stored
    hit = await door.ask("What is love?")
    assert (hit.outcome.entry_id, hit.generation.choices[0].content) == (stored.entry_id, "Baby.")


async def test_a_truncated_answer_is_not_stored(door: Door) -> None:
    cut = a_generation("Ba", finish=llm.FINISH_REASON_LENGTH)
    reply = await door.stub.Store(wire.StoreRequest(request=a_request(), generation=cut), **door.as_(Role.OPERATOR))
    assert (reply.stored, reply.reason) == (False, "incomplete")


async def test_entries_are_shown_and_removed_inside_their_tenant_only(door: Door) -> None:
    entry_id = (await door.ask()).outcome.entry_id
    shown = await door.stub.GetEntry(wire.GetEntryRequest(id=entry_id), **door.as_(Role.OPERATOR))
    assert (shown.entry.prompt, shown.entry.tenant) == ("What is the capital of France?", "acme")
    hidden = await door.stub.GetEntry(wire.GetEntryRequest(id=entry_id), **door.as_(Role.VIEWER))
    assert (hidden.entry.prompt, hidden.entry.tenant) == ("", "acme")
    with pytest.raises(errors.NotFound), own_errors():
        await door.stub.GetEntry(wire.GetEntryRequest(id=entry_id), **door.as_(tenant="globex"))
    with pytest.raises(errors.NotFound), own_errors():
        await door.stub.DeleteEntry(wire.DeleteEntryRequest(id=entry_id), **door.as_(Role.ADMIN, tenant="globex"))
    await door.stub.DeleteEntry(wire.DeleteEntryRequest(id=entry_id), **door.as_(Role.OPERATOR))
    assert (await door.ask()).outcome.status == outcome_pb2.CACHE_STATUS_MISS


async def test_a_viewer_changes_nothing(door: Door) -> None:
    with pytest.raises(errors.PermissionDenied), own_errors():
        await door.stub.Invalidate(invalidation_pb2.InvalidateRequest(namespace="default"), **door.as_(Role.VIEWER))


@pytest.mark.parametrize("target", ["id", "key", "namespace"])
async def test_invalidation_works_by_each_target(door: Door, target: str) -> None:
    outcome = (await door.ask()).outcome
    await door.world.settled()
    value = {"id": outcome.entry_id, "key": outcome.key, "namespace": "default"}[target]
    request = invalidation_pb2.InvalidateRequest(**{target: value})
    assert (await door.stub.Invalidate(request, **door.as_(Role.OPERATOR))).removed == 1
    assert (await door.ask()).outcome.status == outcome_pb2.CACHE_STATUS_MISS


async def test_an_invalidation_needs_a_target(door: Door) -> None:
    for request in (invalidation_pb2.InvalidateRequest(), invalidation_pb2.InvalidateRequest(reason="why not")):
        with pytest.raises(errors.InvalidArgument), own_errors():
            await door.stub.Invalidate(request, **door.as_(Role.ADMIN))


async def test_an_admin_sees_all_tenants_and_others_their_own(door: Door) -> None:
    for tenant in ("acme", "globex"):
        await door.ask(tenant=tenant)
    of_all = await door.stub.GetStats(wire.GetStatsRequest(), **door.as_(Role.ADMIN))
    of_one = await door.stub.GetStats(wire.GetStatsRequest(), **door.as_(Role.VIEWER))
    assert (of_all.requests, of_one.requests) == (2, 1)


async def test_without_the_mesh_secret_nobody_is_served(door: Door) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await door.stub.GetStats(wire.GetStatsRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
