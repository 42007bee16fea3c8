"""What is known about errors, over a real gRPC channel."""

from __future__ import annotations

import pytest

from synapse.cache.v1 import trust_pb2 as wire
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_cache.adapters.trust_memory import MemoryTrustStore
from synapse_cache.app import SERVICE
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.rpc.trust import TrustRpc
from synapse_cache.thresholds.thresholds import FixedThresholds, Thresholds
from synapse_cache.trust.error_bounds import ErrorBounds
from synapse_cache.trust.evidence import Evidence, Source, Tally
from synapse_cache.trust.sync import TrustSync
from synapse_cache.trust.trust import Trust
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
HERE = Place("acme")


class Store(MemoryTrustStore):
    """Refuses while `down`."""

    down = False

    async def places(self, *, limit):
        if self.down:
            raise StoreUnavailable("down")
        return await super().places(limit=limit)


class Door:
    def __init__(self, stub, trust, store):
        self.stub, self.trust, self.store = stub, trust, store

    async def bounds(self, role=Role.VIEWER, own="acme", **request):
        metadata = CallMetadata(MESH).of(Identity(own, "test", role), "req-1")
        with own_errors():
            reply = await self.stub.GetErrorBounds(wire.GetErrorBoundsRequest(**request), metadata=metadata, timeout=5)
        return list(reply.bounds)


@pytest.fixture
async def door():
    trust, store = Trust(), Store()
    face = TrustRpc(ErrorBounds(trust, FixedThresholds(Thresholds(max_error=0.02)), TrustSync(trust, store)))
    async with (
        serving("127.0.0.1:0", [Service(SERVICE, face)], mesh=MESH) as server,
        open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
    ):
        yield Door(CacheServiceStub(channel), trust, store)


async def test_a_namespace_is_told_with_its_counts_and_its_interval(door):
    door.trust.count(HERE, Tally(requests=200, hits=100, audits=40, audits_wrong=4, audits_open=10))
    door.trust.learn(HERE, [Evidence(Source.AUDIT, "e", "k", same=True, at=1.0)])
    [bound] = await door.bounds()
    assert (bound.tenant, bound.namespace, bound.max_error) == ("acme", "default", 0.02)
    assert (bound.requests, bound.hits_semantic, bound.evidence) == (200, 100, 1)
    assert (bound.audits, bound.audits_wrong, bound.audits_open) == (40, 4, 10)
    assert 0 < bound.lower < bound.estimate < bound.upper < 0.5
    assert not bound.suspended
    assert not bound.HasField("suspend_time")


async def test_a_suspension_is_told_with_its_time(door):
    door.trust.count(HERE, Tally(requests=1))
    door.trust.suspend(HERE, at=1_795_000_000.5)
    [bound] = await door.bounds()
    assert bound.suspended
    assert bound.suspend_time.ToMicroseconds() == 1_795_000_000_500_000


async def test_namespaces_of_others_are_for_admins(door):
    door.trust.count(HERE, Tally(requests=1))
    assert await door.bounds(own="globex") == []
    assert len(await door.bounds(Role.ADMIN, "globex", tenant="acme")) == 1
    with pytest.raises(errors.PermissionDenied):
        await door.bounds(Role.OPERATOR, "globex", tenant="acme")


async def test_one_namespace_is_told_alone(door):
    for name in ("a", "b"):
        door.trust.count(Place("acme", name), Tally(requests=1))
    assert [bound.namespace for bound in await door.bounds(namespace="b")] == ["b"]


async def test_what_other_replicas_know_is_told(door):
    other = Trust()
    sync = TrustSync(other, door.store)
    other.count(Place("acme", "elsewhere"), Tally(requests=7, hits=1))
    await sync.round()
    assert [bound.requests for bound in await door.bounds()] == [7]


async def test_a_store_that_does_not_answer_is_an_error(door):
    door.store.down = True
    with pytest.raises(errors.Unavailable):
        await door.bounds()
