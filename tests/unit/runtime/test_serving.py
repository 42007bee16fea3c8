"""Calls over a real loopback channel: results, streams, errors, deadlines, cancels, identities, the drain."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY

from synapse.router.v1 import router_pb2, router_pb2_grpc
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, read_stream
from synapse_runtime.identity import Role, TokenSigner
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings, SettingsError
from tests.unit.runtime.mesh import ACME, DESCRIPTOR, OPEN, SECRET, failure, models

METHOD = "RouterService/ListModels"


async def test_a_call_comes_back(open_mesh, router):
    stub, *_ = await open_mesh(router)
    assert await stub.ListModels(router_pb2.ListModelsRequest()) == models("a/b")


async def test_request_id_trace_and_identity_travel(open_mesh, router):
    stub, *_ = await open_mesh(router, SECRET)
    metadata = CallMetadata(SECRET).of(ACME, "req_1", "00-abc-def-01")
    await stub.ListModels(router_pb2.ListModelsRequest(), metadata=metadata)
    (call,) = router.calls
    assert (call.identity, call.request_id, call.traceparent) == (ACME, "req_1", "00-abc-def-01")


async def test_a_call_without_id_gets_one_and_a_long_one_is_cut(open_mesh, router):
    stub, *_ = await open_mesh(router)
    await stub.ListModels(router_pb2.ListModelsRequest())
    await stub.ListModels(router_pb2.ListModelsRequest(), metadata=[("x-request-id", "x" * 1000)])
    first, second = router.calls
    assert first.request_id.startswith("req_")
    assert second.request_id == "x" * 128


async def test_without_a_secret_a_claimed_identity_is_ignored(open_mesh, router):
    stub, *_ = await open_mesh(router)
    await stub.ListModels(router_pb2.ListModelsRequest(), metadata=CallMetadata(SECRET).of(ACME, "r"))
    assert router.calls[0].identity.role is Role.VIEWER


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "IDENTITY_MISSING"),
        ("", "IDENTITY_MISSING"),
        (TokenSigner("other").token(ACME), "IDENTITY_FORGED"),
        ("nonsense", "IDENTITY_FORGED"),
        (TokenSigner("s").token(ACME, lifetime_seconds=-1), "IDENTITY_EXPIRED"),
    ],
)
async def test_no_method_is_reached_without_a_valid_identity(open_mesh, router, token, reason):
    stub, *_ = await open_mesh(router, SECRET)
    metadata = [] if token is None else [("x-synapse-identity", token)]
    error = await failure(stub.ListModels(router_pb2.ListModelsRequest(), metadata=metadata))
    assert (type(error), error.reason, router.calls) == (errors.Unauthenticated, reason, [])
    with pytest.raises(errors.Unauthenticated):
        await anext(read_stream(stub.StreamGenerate(router_pb2.StreamGenerateRequest(), metadata=metadata)))


async def test_an_error_crosses_with_all_that_it_says(open_mesh, router):
    stub, *_ = await open_mesh(router)
    router.error = errors.ResourceExhausted("slow down", reason="LIMIT", metadata={"limit": "5"}, retry_after_seconds=2)
    error = await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    assert (type(error), error.message, error.reason) == (errors.ResourceExhausted, "slow down", "LIMIT")
    assert (error.metadata, error.retry_after_seconds) == ({"limit": "5"}, 2)


async def test_our_own_fault_tells_nothing_and_is_logged(open_mesh, router, caplog):
    stub, *_ = await open_mesh(router)
    router.error = KeyError("s3cret")
    error = await failure(stub.ListModels(router_pb2.ListModelsRequest(), metadata=[("x-request-id", "req_9")]))
    assert type(error) is errors.Internal
    assert "s3cret" not in error.message
    (record,) = [record for record in caplog.records if record.name == "synapse.rpc" and record.levelname == "ERROR"]
    assert record.request_id == "req_9"


async def test_a_cancel_met_below_is_told_as_one(open_mesh, router):
    stub, *_ = await open_mesh(router)
    router.error = errors.Cancelled("the backend's caller left")
    assert type(await failure(stub.ListModels(router_pb2.ListModelsRequest()))) is errors.Cancelled


async def test_a_method_not_offered_is_unimplemented(open_mesh):
    stub, *_ = await open_mesh(object())
    assert type(await failure(stub.ListModels(router_pb2.ListModelsRequest()))) is errors.Unimplemented
    with pytest.raises(errors.Unimplemented):
        await anext(read_stream(stub.StreamGenerate(router_pb2.StreamGenerateRequest())))


async def test_an_unknown_method_is_unimplemented(open_mesh, router):
    _, _, channel = await open_mesh(router)
    call = channel.unary_unary(
        "/synapse.router.v1.RouterService/Destroy", request_serializer=None, response_deserializer=None
    )
    assert type(await failure(call(b""))) is errors.Unimplemented


async def test_bytes_that_are_no_message_do_not_reach_the_method(open_mesh, router):
    _, _, channel = await open_mesh(router)
    call = channel.unary_unary(
        "/synapse.router.v1.RouterService/ListModels", request_serializer=None, response_deserializer=None
    )
    await failure(call(b"\xff\xff\xff"))
    assert router.calls == []


async def test_a_caller_that_leaves_cancels_the_method(open_mesh, router):
    stub, *_ = await open_mesh(router)
    call = stub.Generate(router_pb2.GenerateRequest())
    await router.entered.wait()
    call.cancel()
    async with asyncio.timeout(5):
        await router.cancelled.wait()


async def test_the_deadline_is_known_and_ends_the_call(open_mesh, router):
    stub, *_ = await open_mesh(router)
    started = time.monotonic()
    error = await failure(stub.Generate(router_pb2.GenerateRequest(), timeout=0.3))
    assert type(error) is errors.DeadlineExceeded
    assert time.monotonic() - started < 2
    async with asyncio.timeout(5):
        await router.cancelled.wait()
    with pytest.raises(errors.DeadlineExceeded):
        router.calls[0].remaining_seconds()


async def test_remaining_time_is_none_without_a_deadline(open_mesh, router):
    stub, *_ = await open_mesh(router)
    router.proceed.set()
    await stub.Generate(router_pb2.GenerateRequest())
    await stub.Generate(router_pb2.GenerateRequest(), timeout=60)
    left = [call.remaining_seconds() for call in router.calls[:1]]
    assert left == [None]


async def test_every_call_is_measured(open_mesh, router):
    def count(code):
        return REGISTRY.get_sample_value("synapse_rpc_duration_seconds_count", {"method": METHOD, "code": code}) or 0

    stub, *_ = await open_mesh(router)
    before = count("OK"), count("NOT_FOUND")
    await stub.ListModels(router_pb2.ListModelsRequest())
    router.error = errors.NotFound("x")
    await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    assert (count("OK"), count("NOT_FOUND")) == (before[0] + 1, before[1] + 1)


async def test_calls_in_flight_are_told_until_they_end(open_mesh, router):
    def in_flight(method):
        return REGISTRY.get_sample_value("synapse_rpc_in_flight", {"method": f"RouterService/{method}"})

    stub, *_ = await open_mesh(router)
    router.error = errors.NotFound("x")
    await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    call = stub.Generate(router_pb2.GenerateRequest())
    await router.entered.wait()
    assert (in_flight("Generate"), in_flight("ListModels")) == (1, 0)
    router.proceed.set()
    await call
    assert in_flight("Generate") == 0


async def test_stopping_lets_calls_in_flight_finish_and_takes_no_new_ones(router):
    async with AsyncExitStack() as clients:
        async with serving("127.0.0.1:0", [Service(DESCRIPTOR, router)], mesh=OPEN) as running:
            channel = await clients.enter_async_context(open_channel(f"127.0.0.1:{running.port}", retries=False))
            stub = router_pb2_grpc.RouterServiceStub(channel)
            in_flight = stub.Generate(router_pb2.GenerateRequest())
            await router.entered.wait()
            asyncio.get_running_loop().call_later(0.3, router.proceed.set)
            asyncio.get_running_loop().call_later(
                0.1, lambda: late.append(stub.ListModels(router_pb2.ListModelsRequest()))
            )
            late: list = []
        assert (await in_flight).origin.backend == "late"
        assert type(await failure(late[0])) is errors.Unavailable
    assert len(router.calls) == 1


async def test_a_drain_ends_after_its_time(router):
    mesh = MeshSettings(drain_seconds=0.2)
    async with AsyncExitStack() as clients:
        async with serving("127.0.0.1:0", [Service(DESCRIPTOR, router)], mesh=mesh) as running:
            channel = await clients.enter_async_context(open_channel(f"127.0.0.1:{running.port}", retries=False))
            call = router_pb2_grpc.RouterServiceStub(channel).Generate(router_pb2.GenerateRequest())
            await router.entered.wait()
            started = time.monotonic()
        assert time.monotonic() - started < 3
        await failure(call)
        async with asyncio.timeout(5):
            await router.cancelled.wait()


async def test_health_says_ready_only_when_told(open_mesh, router):
    _, running, channel = await open_mesh(router)
    health = health_pb2_grpc.HealthStub(channel)

    async def status(name):
        return (await health.Check(health_pb2.HealthCheckRequest(service=name))).status

    for ready, expected in ((None, 2), (True, 1), (False, 2)):
        if ready is not None:
            await running.set_ready(ready)
        assert [await status(name) for name in ("", "synapse.router.v1.RouterService")] == [expected, expected]


async def test_health_needs_no_identity(open_mesh, router):
    _, _, channel = await open_mesh(router, SECRET)
    assert (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status == 2


async def test_a_port_in_use_is_an_os_error_that_names_it(open_mesh, router):
    _, running, _ = await open_mesh(router)
    with pytest.raises(OSError, match=str(running.port)):
        async with serving(f"127.0.0.1:{running.port}", [], mesh=OPEN):
            pass


async def test_nothing_is_served_beyond_loopback_without_a_secret(router):
    with pytest.raises(SettingsError):
        async with serving("0.0.0.0:0", [Service(DESCRIPTOR, router)], mesh=OPEN):
            pass


async def test_reflection_names_the_service(open_mesh, router):
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    _, _, channel = await open_mesh(router)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    replies = [reply async for reply in stub.ServerReflectionInfo(iter([request]))]
    assert "synapse.router.v1.RouterService" in {each.name for each in replies[0].list_services_response.service}
