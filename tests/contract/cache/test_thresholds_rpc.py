"""The RPCs of thresholds over a real gRPC channel: who may read and set what, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from synapse.cache.v1 import thresholds_pb2 as wire
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_cache.adapters.thresholds_memory import MemoryThresholdStore
from synapse_cache.adapters.thresholds_wire import WIRE_NAMES
from synapse_cache.app import SERVICE
from synapse_cache.rpc.thresholds import ThresholdsRpc
from synapse_cache.thresholds.threshold_book import ThresholdBook
from synapse_cache.thresholds.thresholds import NAMES, Thresholds
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
ADMIN, OPERATOR, VIEWER = Role.ADMIN, Role.OPERATOR, Role.VIEWER


@dataclass
class Desk:
    """The service's stub, the book behind it, and callers of the tenant "acme"."""

    stub: CacheServiceStub
    book: ThresholdBook

    async def get(self, tenant: str = "", role: Role = VIEWER) -> wire.GetThresholdsResponse:
        with own_errors():
            return await self.stub.GetThresholds(wire.GetThresholdsRequest(tenant=tenant), **self.as_(role))

    async def set(
        self, tenant: str = "", role: Role = ADMIN, *, mask: list[str] | None = None, **values: float
    ) -> wire.SetThresholdsResponse:
        request = wire.SetThresholdsRequest(tenant=tenant, thresholds=wire.Thresholds(**values))
        request.thresholds.SetInParent()
        if mask is not None:
            request.update_mask.CopyFrom(FieldMask(paths=mask))
            request.update_mask.SetInParent()
        with own_errors():
            return await self.stub.SetThresholds(request, **self.as_(role))

    async def reset(self, tenant: str = "", role: Role = ADMIN) -> wire.ResetThresholdsResponse:
        with own_errors():
            return await self.stub.ResetThresholds(wire.ResetThresholdsRequest(tenant=tenant), **self.as_(role))

    def as_(self, role: Role) -> dict[str, object]:
        return {"metadata": CallMetadata(MESH).of(Identity("acme", "test", role), "req-1"), "timeout": 5}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    book = ThresholdBook(Thresholds(max_error=0.01), MemoryThresholdStore())
    async with (
        serving("127.0.0.1:0", [Service(SERVICE, ThresholdsRpc(book))], mesh=MESH) as server,
        open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
    ):
        yield Desk(CacheServiceStub(channel), book)


def test_the_wire_knows_every_threshold() -> None:
    assert tuple(WIRE_NAMES) == NAMES
    assert set(WIRE_NAMES.values()) == set(wire.Thresholds.DESCRIPTOR.fields_by_name)


async def test_where_nothing_was_set_the_settings_are_in_force_in_full(desk: Desk) -> None:
    reply = await desk.get("acme")
    assert not reply.set.ListFields()
    assert all(reply.effective.HasField(name) for name in WIRE_NAMES.values())
    assert (reply.tenant, reply.effective.max_error, reply.effective.l1_ttl_secs) == ("acme", 0.01, 86_400)


async def test_a_tenants_level_lies_over_that_of_all(desk: Desk) -> None:
    await desk.set(l1_ttl_secs=60, cache_hit_threshold=0.8)
    reply = await desk.set("acme", OPERATOR, l1_ttl_secs=30)
    assert reply.set == wire.Thresholds(l1_ttl_secs=30)
    assert (reply.effective.l1_ttl_secs, reply.effective.cache_hit_threshold) == (30, 0.8)
    assert (await desk.get("acme")).effective == reply.effective


async def test_a_level_is_replaced_or_changed_in_part(desk: Desk) -> None:
    await desk.set("acme", OPERATOR, shadow=True, l1_ttl_secs=30, audit_share=0.5)
    in_part = await desk.set("acme", OPERATOR, mask=["l1_ttl_secs", "audit_share"], l1_ttl_secs=20)
    assert in_part.set == wire.Thresholds(shadow=True, l1_ttl_secs=20)
    replaced = await desk.set("acme", OPERATOR, l1_ttl_secs=10)
    assert replaced.set == wire.Thresholds(l1_ttl_secs=10)


async def test_a_reset_takes_back_what_was_set(desk: Desk) -> None:
    await desk.set("acme", OPERATOR, shadow=True)
    assert not (await desk.reset("acme", OPERATOR)).effective.shadow
    assert not (await desk.get("acme")).set.ListFields()


async def test_an_admin_sees_who_has_levels_of_their_own(desk: Desk) -> None:
    for tenant in ("globex", "acme"):
        await desk.set(tenant, shadow=True)
    assert list((await desk.get(role=ADMIN)).tenants) == ["acme", "globex"]
    assert not (await desk.get(role=VIEWER)).tenants


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
async def test_only_an_admin_reads_another_tenants(desk: Desk, role: Role) -> None:
    with pytest.raises(errors.PermissionDenied):
        await desk.get("globex", role)
    assert (await desk.get("globex", ADMIN)).tenant == "globex"


@pytest.mark.parametrize(("tenant", "role"), [("", OPERATOR), ("globex", OPERATOR), ("acme", VIEWER), ("", VIEWER)])
async def test_nobody_sets_beyond_its_role(desk: Desk, tenant: str, role: Role) -> None:
    with pytest.raises(errors.PermissionDenied):
        await desk.set(tenant, role, shadow=True)
    with pytest.raises(errors.PermissionDenied):
        await desk.reset(tenant, role)
    assert not (await desk.get(tenant, ADMIN)).effective.shadow


async def test_an_operator_only_tightens_the_error_and_an_admin_loosens_it(desk: Desk) -> None:
    assert (await desk.set("acme", OPERATOR, max_error=0.005)).effective.max_error == 0.005
    with pytest.raises(errors.PermissionDenied, match="max_error") as refused:
        await desk.set("acme", OPERATOR, max_error=0.02)
    assert refused.value.metadata["field"] == "max_error"
    assert (await desk.set("acme", ADMIN, max_error=0.02)).effective.max_error == 0.02


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"cache_hit_threshold": 1.1}, "cache_hit_threshold"),
        ({"cache_hit_threshold": float("nan")}, "cache_hit_threshold"),
        ({"partial_hit_threshold": 0.9, "cache_hit_threshold": 0.8}, "partial_hit_threshold"),
        ({"l1_ttl_secs": 0}, "l1_ttl_secs"),
        ({"l2_ttl_secs": -5}, "l2_ttl_secs"),
        ({"max_error": -0.01}, "max_error"),
        ({"audit_share": 2}, "audit_share"),
        ({"stale_if_error_secs": float("inf")}, "stale_if_error_secs"),
        ({"stale_while_revalidate_secs": -1}, "stale_while_revalidate_secs"),
        ({"mask": ["max_errors"]}, "update_mask"),
        ({"mask": []}, "thresholds"),
        ({"tenant": "x" * 257}, "tenant"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(desk: Desk, values: dict[str, float], field: str) -> None:
    with pytest.raises(errors.InvalidArgument) as refused:
        await desk.set(**values)
    assert refused.value.metadata["field"] == field


async def test_a_request_without_thresholds_resets_nothing(desk: Desk) -> None:
    await desk.set("acme", shadow=True)
    with pytest.raises(errors.InvalidArgument), own_errors():
        await desk.stub.SetThresholds(wire.SetThresholdsRequest(tenant="acme"), **desk.as_(ADMIN))
    assert desk.book.of("acme").shadow
