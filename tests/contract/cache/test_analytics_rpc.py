"""The RPCs of the log, of savings and of simulations over a real gRPC channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from google.protobuf.duration_pb2 import Duration

from synapse.cache.v1 import analytics_pb2 as wire
from synapse.cache.v1 import outcome_pb2, thresholds_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_cache.analytics.request_log import Logged
from synapse_cache.analytics.savings import Account, Saved, day_of
from synapse_cache.app import SERVICE
from synapse_cache.rpc.analytics import AnalyticsRpc
from synapse_cache.rpc.simulation import SimulationRpc
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.analytics_world import AnalyticsWorld, analytics_world
from tests.support.logged import a_hit_by_meaning, a_miss, a_refusal, an_exact_hit

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
ADMIN, OPERATOR, VIEWER = Role.ADMIN, Role.OPERATOR, Role.VIEWER
QUESTION, REWORDED = "What is the capital of France?", "Can you tell me the capital of France?"
HIT, MISS = outcome_pb2.CACHE_STATUS_HIT, outcome_pb2.CACHE_STATUS_MISS


@dataclass
class Desk:
    """The service's stub and the world behind it."""

    stub: CacheServiceStub
    world: AnalyticsWorld

    def as_(self, role: Role = OPERATOR, tenant: str = "acme") -> dict[str, object]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, "test", role), "req-9"), "timeout": 5}

    async def logs(self, role: Role = OPERATOR, tenant: str = "acme", **asked: object) -> wire.ListRequestLogsResponse:
        request = wire.ListRequestLogsRequest(**asked)  # type: ignore[arg-type]
        with own_errors():
            return await self.stub.ListRequestLogs(request, **self.as_(role, tenant))

    async def savings(self, role: Role = VIEWER, **asked: object) -> wire.GetSavingsResponse:
        with own_errors():
            return await self.stub.GetSavings(wire.GetSavingsRequest(**asked), **self.as_(role))  # type: ignore[arg-type]

    async def simulate(
        self, role: Role = OPERATOR, tenant: str = "", **wanted: float
    ) -> thresholds_pb2.SimulateResponse:
        request = thresholds_pb2.SimulateRequest(tenant=tenant, thresholds=thresholds_pb2.Thresholds(**wanted))
        with own_errors():
            return await self.stub.Simulate(request, **self.as_(role))

    async def write(self, *records: Logged) -> None:
        now = self.world.cache.clock()
        placed = [Logged(**{name: getattr(one, name) for name in one.__slots__} | {"at": now}) for one in records]
        await self.world.log.append(placed, batch_id="b1")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with analytics_world() as world:
        faces = AnalyticsRpc(world.logbook, world.report), SimulationRpc(world.logbook, world.held)
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, *faces)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Desk(CacheServiceStub(channel), world)


async def test_requests_are_told_newest_first_with_what_the_cache_did(desk: Desk) -> None:
    await desk.world.cache.ask(QUESTION)
    await desk.world.cache.settled()
    hit = (await desk.world.cache.ask(REWORDED)).outcome
    first, second = (await desk.logs()).logs
    assert (first.outcome.status, first.outcome.tier, second.outcome.status) == (HIT, outcome_pb2.CACHE_TIER_L2, MISS)
    assert (first.outcome.entry_id, first.outcome.tokens_saved) == (hit.entry_id, 12)
    assert first.outcome.probability == first.probability == pytest.approx(1, abs=0.05)
    assert (first.tenant, first.namespace, first.model, first.prompt) == ("acme", "default", "m", "")
    assert first.HasField("bar")
    assert not second.HasField("best_similarity")


async def test_pages_and_sieves_are_the_callers_choice(desk: Desk) -> None:
    await desk.write(a_miss(id="1"), an_exact_hit(id="2"), a_hit_by_meaning(id="3"), a_miss(id="4", model="n"))
    assert [one.id for one in (await desk.logs(tier=outcome_pb2.CACHE_TIER_L2)).logs] == ["3"]
    assert [one.id for one in (await desk.logs(status=MISS, model="m")).logs] == ["1"]
    page = await desk.logs(page_size=3)
    rest = await desk.logs(page_size=3, page_token=page.next_page_token)
    assert [one.id for one in (*page.logs, *rest.logs)] == ["4", "3", "2", "1"]
    assert rest.next_page_token == ""


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"page_token": "x"}, "page_token"), ({"page_size": -1}, "page_size"), ({"page_size": 1001}, "page_size")],
)
async def test_a_wrong_page_is_refused_by_name(desk: Desk, asked: dict[str, object], field: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await desk.logs(**asked)
    assert caught.value.metadata["field"] == field


async def test_one_request_and_those_like_it_are_told_by_id(desk: Desk) -> None:
    await desk.world.cache.ask(QUESTION)
    await desk.world.cache.ask("How many moons has Mars?")
    with own_errors():
        one = await desk.stub.GetRequestLog(wire.GetRequestLogRequest(id="req-1"), **desk.as_())
        like = await desk.stub.ListSimilarRequestLogs(wire.ListSimilarRequestLogsRequest(id="req-1"), **desk.as_())
    assert one.log.outcome.status == MISS
    assert len(like.logs) == 1
    assert -1 < like.logs[0].similarity < 1


async def test_a_request_that_is_not_logged_is_not_found(desk: Desk) -> None:
    with pytest.raises(errors.NotFound), own_errors():
        await desk.stub.GetRequestLog(wire.GetRequestLogRequest(id="none"), **desk.as_())
    with pytest.raises(errors.NotFound), own_errors():
        await desk.stub.ListSimilarRequestLogs(wire.ListSimilarRequestLogsRequest(id="none"), **desk.as_())


async def test_a_viewer_reads_savings_and_no_log(desk: Desk) -> None:
    await desk.savings(VIEWER)
    for refused in (desk.logs(VIEWER), desk.simulate(VIEWER)):
        with pytest.raises(errors.PermissionDenied):
            await refused


async def test_another_tenant_sees_nothing(desk: Desk) -> None:
    await desk.write(a_miss(id="1"))
    assert not (await desk.logs(ADMIN, tenant="globex")).logs
    with pytest.raises(errors.NotFound), own_errors():
        await desk.stub.GetRequestLog(wire.GetRequestLogRequest(id="1"), **desk.as_(ADMIN, "globex"))


async def test_savings_are_summed_by_model_and_by_day(desk: Desk) -> None:
    now = desk.world.cache.clock()
    today, before = day_of(now), day_of(now - 86_400)
    saved = Saved(requests=4, hits=2, tokens=24, cost_nanos=2_000_000, micros=1_500)
    counts = {
        Account("acme", today, "m"): saved,
        Account("acme", before, "n"): Saved(1),
        Account("globex", today, "m"): saved,
    }
    await desk.world.saved.add(counts, batch_id="b1")
    mine, all_, lately = await desk.savings(), await desk.savings(ADMIN), await desk.savings(window=Duration())
    assert (mine.total.requests, mine.total.hits, mine.total.cost_saved, mine.total.milliseconds_saved) == (
        5,
        2,
        0.002,
        1.5,
    )
    assert [(row.model, row.requests) for row in mine.by_model] == [("m", 4), ("n", 1)]
    assert [(row.day, row.requests) for row in mine.by_day] == [(before, 1), (today, 4)]
    assert [(row.tenant, row.tokens_saved) for row in all_.by_model] == [("acme", 24), ("globex", 24), ("acme", 0)]
    assert lately.total.requests == 4


async def test_only_an_admin_sees_anothers_savings(desk: Desk) -> None:
    with pytest.raises(errors.PermissionDenied):
        await desk.savings(OPERATOR, tenant="globex")
    assert (await desk.savings(ADMIN, tenant="globex")).total.requests == 0


async def test_a_simulation_tells_both_worlds_and_its_doubts(desk: Desk) -> None:
    await desk.write(an_exact_hit(id="1"), a_hit_by_meaning(id="2"), a_refusal(id="3"), a_miss(id="4"))
    reply = await desk.simulate(max_error=0.05)
    assert (reply.current.requests, reply.current.hits_exact, reply.current.hits_semantic) == (4, 1, 1)
    assert (reply.simulated.hits_semantic, reply.simulated.hit_rate) == (2, 0.75)
    assert reply.current.expected_error < reply.simulated.expected_error < reply.simulated.error_bound
    assert any("4 requests" in caveat for caveat in reply.caveats)


async def test_a_simulation_of_nothing_new_changes_nothing(desk: Desk) -> None:
    await desk.write(an_exact_hit(id="1"), a_hit_by_meaning(id="2"), a_refusal(id="3"))
    reply = await desk.simulate()
    assert reply.simulated == reply.current


async def test_a_simulation_looks_only_where_and_as_far_back_as_asked(desk: Desk) -> None:
    await desk.write(a_miss(id="1"), a_miss(id="2", namespace="other"))
    request = thresholds_pb2.SimulateRequest(namespace="other")
    with own_errors():
        assert (await desk.stub.Simulate(request, **desk.as_())).current.requests == 1
        request = thresholds_pb2.SimulateRequest(window=Duration(seconds=3600))
        assert (await desk.stub.Simulate(request, **desk.as_())).current.requests == 2


async def test_thresholds_that_cannot_be_are_refused_by_name(desk: Desk) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await desk.simulate(cache_hit_threshold=1.5)
    assert caught.value.metadata["field"] == "cache_hit_threshold"
    with pytest.raises(errors.PermissionDenied):
        await desk.simulate(tenant="globex")


async def test_a_log_that_is_off_says_so() -> None:
    async with analytics_world() as world:
        face = AnalyticsRpc(None, world.report)
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, face)], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            with pytest.raises(errors.FailedPrecondition, match="nothing is logged"):
                await Desk(CacheServiceStub(channel), world).logs()
