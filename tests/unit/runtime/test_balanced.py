"""Calls shared among replicas: who gets which, and what happens when replicas come and go."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc
import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1 import router_pb2, router_pb2_grpc
from synapse_runtime import errors
from synapse_runtime.balanced.addresses import resolver_of
from synapse_runtime.balanced.channel import BalancedChannel
from synapse_runtime.balanced.replicas import Replica
from synapse_runtime.channel import MESSAGE_OPTIONS, open_channel, read_stream
from synapse_runtime.link.channel import LinkedChannel
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import SettingsError
from tests.unit.runtime.mesh import DESCRIPTOR, OPEN, failure

GENERATE = "/synapse.router.v1.RouterService/Generate"
LIST = router_pb2.ListModelsRequest()


class Named:
    """A servicer that says who it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.proceed = asyncio.Event()
        self.error: errors.SynapseError | None = None

    async def list_models(self, _request, _call):
        if self.error is not None:
            raise self.error
        return router_pb2.ListModelsResponse(models=[router_pb2.Model(id=self.name)])

    async def generate(self, _request, _call):
        return router_pb2.GenerateResponse(origin=router_pb2.Origin(backend=self.name))

    async def stream_generate(self, _request, _call):
        yield router_pb2.StreamGenerateResponse(origin=router_pb2.Origin(backend=self.name))
        await self.proceed.wait()


class Town:
    """Replicas that a test starts and stops, and what resolves to those it wants known."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._stops: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, name: str) -> Named:
        servicer, ready, stop = Named(name), asyncio.get_running_loop().create_future(), asyncio.Event()

        async def serve() -> None:
            async with serving("127.0.0.1:0", [Service(DESCRIPTOR, servicer)], mesh=OPEN) as server:
                ready.set_result(server.port)
                await stop.wait()

        self._tasks[name] = asyncio.create_task(serve())
        address = f"127.0.0.1:{await ready}"
        self.known.append(address)
        self._stops[name] = stop
        return servicer

    async def resolve(self) -> tuple[str, ...]:
        return tuple(self.known)

    async def end(self, *names: str) -> None:
        ending = names or tuple(self._stops)
        for name in ending:
            self._stops[name].set()
        await asyncio.gather(*(self._tasks[name] for name in ending))


@pytest.fixture
async def town():
    town = Town()
    yield town
    await town.end()


def linked(address: str) -> grpc.aio.Channel:
    plain = grpc.aio.insecure_channel(address, options=[*MESSAGE_OPTIONS, ("grpc.use_local_subchannel_pool", 1)])
    return LinkedChannel(plain, age_seconds=60.0, retries=False)


@pytest.fixture
async def opened(town, stack):
    """Opens a channel to the replicas that run by then, and gives it with a stub."""

    async def open_it():
        keys = {GENERATE: lambda request: request.request.model.encode()}
        channel = await stack.enter_async_context(BalancedChannel(town.resolve, linked, keys=keys))
        return router_pb2_grpc.RouterServiceStub(channel), channel

    return open_it


async def who(stub, count: int) -> Counter[str]:
    replies = [await stub.ListModels(LIST, timeout=5) for _ in range(count)]
    return Counter(reply.models[0].id for reply in replies)


async def keeper(stub, model: str) -> str:
    reply = await stub.Generate(router_pb2.GenerateRequest(request=GenerationRequest(model=model)), timeout=5)
    return str(reply.origin.backend)


async def test_calls_are_spread_over_all_replicas(town, opened):
    for name in "abc":
        await town.start(name)
    stub, _ = await opened()
    told = await who(stub, 60)
    assert set(told) == set("abc")
    assert min(told.values()) >= 5


async def test_equal_requests_meet_at_one_replica(town, opened):
    for name in "abc":
        await town.start(name)
    stub, _ = await opened()
    for model in ("m1", "m2", "m3"):
        assert len({await keeper(stub, model) for _ in range(5)}) == 1
    assert len({await keeper(stub, f"m{number}") for number in range(30)}) == 3


def test_a_replica_more_moves_only_its_share_of_the_keys():
    four = [Replica(f"10.0.0.{number}:50051", None) for number in range(1, 5)]
    keys = [str(number).encode() for number in range(1000)]

    def chosen(replicas):
        return [min(replicas, key=lambda one: one.rank(key)).address for key in keys]

    moved = [new for old, new in zip(chosen(four[:3]), chosen(four), strict=True) if old != new]
    assert set(moved) == {"10.0.0.4:50051"}
    assert 150 < len(moved) < 350


async def test_a_replica_that_is_gone_costs_no_call(town, opened):
    for name in "ab":
        await town.start(name)
    stub, _ = await opened()
    await who(stub, 10)
    await town.end("a")
    assert await who(stub, 40) == {"b": 40}
    assert {await keeper(stub, f"m{number}") for number in range(20)} == {"b"}


async def test_a_stream_that_was_not_begun_goes_elsewhere(town, opened):
    servicers = [await town.start(name) for name in "ab"]
    stub, _ = await opened()
    await who(stub, 10)
    await town.end("a")
    servicers[1].proceed.set()
    for _ in range(10):
        request = router_pb2.StreamGenerateRequest()
        assert [one.origin.backend async for one in read_stream(stub.StreamGenerate(request))] == ["b"]


async def test_new_replicas_get_calls_and_old_ones_end_theirs(town, opened):
    first = await town.start("a")
    stub, channel = await opened()
    stream = stub.StreamGenerate(router_pb2.StreamGenerateRequest())
    assert (await anext(aiter(stream))).origin.backend == "a"
    await town.start("b")
    del town.known[0]
    channel.replicas.refresh()
    await asyncio.sleep(0.6)
    assert await who(stub, 10) == {"b": 10}
    first.proceed.set()
    assert [one async for one in stream] == []


async def test_what_a_service_says_itself_is_not_asked_again(town, opened):
    servicers = [await town.start(name) for name in "ab"]
    for servicer in servicers:
        servicer.error = errors.Unavailable("full", reason="FULL")
    stub, _ = await opened()
    assert (await failure(stub.ListModels(LIST))).reason == "FULL"


async def test_without_replicas_calls_fail_at_once_and_recover(town, opened):
    stub, _ = await opened()
    assert isinstance(await failure(stub.ListModels(LIST)), errors.Unavailable)
    await town.start("a")
    await failure(stub.ListModels(LIST))
    await asyncio.sleep(0.6)
    assert await who(stub, 1) == {"a": 1}


async def test_a_resolver_that_fails_leaves_the_known_ones(town):
    await town.start("a")
    failing = False

    async def resolve() -> tuple[str, ...]:
        if failing:
            raise OSError("no such host")
        return await town.resolve()

    async with BalancedChannel(resolve, linked) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        await who(stub, 1)
        failing = True
        channel.replicas.refresh()
        await asyncio.sleep(0.4)
        assert await who(stub, 3) == {"a": 3}


async def test_a_cancelled_call_is_counted_no_more(town, opened):
    await town.start("a")
    stub, channel = await opened()
    stream = stub.StreamGenerate(router_pb2.StreamGenerateRequest())
    await anext(aiter(stream))
    assert [one.in_flight for one in channel.replicas.known] == [1]
    stream.cancel()
    assert [one.in_flight for one in channel.replicas.known] == [0]


async def test_targets_say_what_is_shared(town):
    await town.start("a")
    await town.start("b")
    async with open_channel(f"ipv4:{','.join(town.known)}") as shared:
        assert set(await who(router_pb2_grpc.RouterServiceStub(shared), 30)) == {"a", "b"}
    port = town.known[0].rpartition(":")[2]
    async with open_channel(f"dns:///localhost:{port}") as named:
        assert await who(router_pb2_grpc.RouterServiceStub(named), 1) == {"a": 1}
    assert resolver_of(town.known[0]) is None


@pytest.mark.parametrize("target", ["dns:///synapse-proxy", "dns:///:50051", "dns:///host:http"])
def test_a_name_without_a_port_is_refused(target):
    with pytest.raises(SettingsError, match="names no port"):
        resolver_of(target)
