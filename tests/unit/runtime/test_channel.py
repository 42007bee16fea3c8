"""The calling side: streams, big messages, errors, retries, services that are gone."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synapse.router.v1 import router_pb2, router_pb2_grpc
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors, read_stream
from synapse_runtime.server import Service, serving
from tests.unit.runtime.mesh import ACME, DESCRIPTOR, OPEN, failure, models


async def test_a_long_error_crosses_whole(open_mesh, router):
    stub, *_ = await open_mesh(router)
    body = "ü" * 50_000
    router.error = errors.InvalidArgument("x" * 5_000, details=[router_pb2.ProviderError(body=body)])
    error = await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    found = router_pb2.ProviderError()
    error.details[0].Unpack(found)
    assert (type(error), len(error.message), found.body) == (errors.InvalidArgument, 5_000, body)


async def test_messages_of_megabytes_pass(open_mesh, router):
    stub, *_ = await open_mesh(router)
    big = router_pb2.GenerateRequest()
    big.request.model = "x" * 20_000_000
    router.proceed.set()
    assert (await stub.Generate(big)).origin.backend == "late"


async def test_a_stream_arrives_message_by_message(open_mesh, router):
    stub, *_ = await open_mesh(router)
    stream = read_stream(stub.StreamGenerate(router_pb2.StreamGenerateRequest()))
    assert [(await anext(stream)).origin.backend for _ in range(3)] == ["0", "1", "2"]
    router.proceed.set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_breaks_gives_what_came_and_then_the_error(open_mesh, router):
    stub, *_ = await open_mesh(router)
    router.error = errors.Unavailable("gone", retry_after_seconds=1)
    stream = read_stream(stub.StreamGenerate(router_pb2.StreamGenerateRequest()))
    assert [(await anext(stream)).origin.backend for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(errors.Unavailable) as raised:
        await anext(stream)
    assert raised.value.retry_after_seconds == 1


async def test_a_reader_that_leaves_a_stream_cancels_it(open_mesh, router):
    stub, *_ = await open_mesh(router)
    stream = read_stream(stub.StreamGenerate(router_pb2.StreamGenerateRequest()))
    await anext(stream)
    async with asyncio.timeout(5):
        await router.entered.wait()  # before, a cancelled servicer is closed between two messages and not told
        await stream.aclose()
        await router.cancelled.wait()


async def test_nobody_there_is_unavailable_at_once():
    async with open_channel("127.0.0.1:1") as channel:
        started = time.monotonic()
        error = await failure(router_pb2_grpc.RouterServiceStub(channel).ListModels(router_pb2.ListModelsRequest()))
    assert type(error) is errors.Unavailable
    assert time.monotonic() - started < 2


async def test_a_service_that_comes_back_is_found_within_a_second_or_two(router):
    async with serving("127.0.0.1:0", [Service(DESCRIPTOR, router)], mesh=OPEN) as running:
        port = running.port
    async with open_channel(f"127.0.0.1:{port}") as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        assert type(await failure(stub.ListModels(router_pb2.ListModelsRequest()))) is errors.Unavailable
        async with serving(f"127.0.0.1:{port}", [Service(DESCRIPTOR, router)], mesh=OPEN):
            async with asyncio.timeout(3):
                await channel.channel_ready()
            assert await stub.ListModels(router_pb2.ListModelsRequest()) == models("a/b")


@pytest.mark.parametrize(("retries", "tries"), [(True, {3, 4}), (False, {1})])
async def test_unavailable_is_tried_again_only_where_asked(open_mesh, router, retries, tries):
    stub, *_ = await open_mesh(router, retries=retries)
    router.error = errors.Unavailable("busy")
    await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    assert len(router.calls) in tries


async def test_other_errors_are_never_tried_again(open_mesh, router):
    stub, *_ = await open_mesh(router)
    router.error = errors.ResourceExhausted("no")
    await failure(stub.ListModels(router_pb2.ListModelsRequest()))
    assert len(router.calls) == 1


async def test_grpc_errors_of_others_stay_untouched():
    with pytest.raises(KeyError), own_errors():
        raise KeyError


def test_the_metadata_of_an_open_mesh_carries_no_identity():
    assert CallMetadata(OPEN).of(ACME, "r") == (("x-request-id", "r"),)


async def test_a_status_of_another_origin_keeps_its_code(open_mesh, router):
    _, _, channel = await open_mesh(router)
    stub = health_pb2_grpc.HealthStub(channel)
    error = await failure(stub.Check(health_pb2.HealthCheckRequest(service="nobody")))
    assert type(error) is errors.NotFound
    assert isinstance(error.__cause__, grpc.aio.AioRpcError)
