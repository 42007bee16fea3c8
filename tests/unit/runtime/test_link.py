"""Links: what is theirs alone. That calls over them are like calls by themselves, the other modules here claim."""

from __future__ import annotations

import asyncio
import random
import time

import grpc
import pytest

from synapse.mesh.v1 import link_pb2, link_pb2_grpc
from synapse.router.v1 import router_pb2, router_pb2_grpc
from synapse_runtime import errors
from synapse_runtime.channel import MESSAGE_OPTIONS, open_channel, read_stream
from synapse_runtime.link.channel import LARGEST_REQUEST_BYTES, LinkedChannel
from synapse_runtime.link.outbox import LARGEST_BATCH_BYTES, Outbox
from synapse_runtime.link.served import WINDOW_BYTES
from synapse_runtime.server import Service, serving
from tests.unit.runtime.mesh import DESCRIPTOR, OPEN, Router, failure, models

LIST = router_pb2.ListModelsRequest()


@pytest.fixture
async def linked(stack, router):
    """A stub whose calls travel over a link, its channel, and what ends the server."""

    async def start(servicer=router, **options):
        server = await stack.enter_async_context(serving("127.0.0.1:0", [Service(DESCRIPTOR, servicer)], mesh=OPEN))
        plain = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=MESSAGE_OPTIONS)
        channel = LinkedChannel(plain, **{"age_seconds": 60.0, "retries": False, **options})
        await stack.enter_async_context(channel)
        assert await channel.link_ready()
        return router_pb2_grpc.RouterServiceStub(channel), channel

    return start


async def test_calls_that_are_ready_together_travel_together(linked):
    stub, channel = await linked()
    before = channel.messages_written
    await asyncio.gather(*(stub.ListModels(LIST) for _ in range(50)))
    assert channel.messages_written - before <= 3


async def test_many_calls_at_once_get_their_own_replies(linked):
    class Echo:
        async def generate(self, request, _call):
            await asyncio.sleep(random.random() * 0.02)
            return router_pb2.GenerateResponse(origin=router_pb2.Origin(backend=request.request.model))

        async def stream_generate(self, request, _call):
            for number in range(5):
                await asyncio.sleep(0)
                origin = router_pb2.Origin(backend=f"{request.request.model}.{number}")
                yield router_pb2.StreamGenerateResponse(origin=origin)

    stub, _ = await linked(Echo())

    async def ask(name):
        request = router_pb2.GenerateRequest()
        request.request.model = name
        return (await stub.Generate(request)).origin.backend

    async def listen(name):
        request = router_pb2.StreamGenerateRequest()
        request.request.model = name
        return [message.origin.backend async for message in read_stream(stub.StreamGenerate(request))]

    names = [str(number) for number in range(200)]
    whole, streamed = await asyncio.gather(asyncio.gather(*map(ask, names)), asyncio.gather(*map(listen, names)))
    assert whole == names
    assert streamed == [[f"{name}.{number}" for number in range(5)] for name in names]


async def test_a_deadline_holds_for_the_caller_and_cancels_the_callee(linked, router):
    stub, _ = await linked()
    started = time.monotonic()
    assert type(await failure(stub.Generate(router_pb2.GenerateRequest(), timeout=0.1))) is errors.DeadlineExceeded
    assert time.monotonic() - started < 1
    async with asyncio.timeout(2):
        await router.cancelled.wait()
    assert router.calls[0].remaining_seconds is not None


async def test_who_leaves_cancels_the_call_and_no_other(linked, router):
    stub, _ = await linked()
    leaving = asyncio.create_task(_generate(stub))
    await router.entered.wait()
    leaving.cancel()
    async with asyncio.timeout(2):
        await router.cancelled.wait()
    assert await stub.ListModels(LIST) == models("a/b")


async def test_a_stream_nobody_reads_is_held_back(linked):
    sent = 0

    class Endless:
        async def stream_generate(self, _request, _call):
            nonlocal sent
            while True:
                sent += 1
                yield router_pb2.StreamGenerateResponse(origin=router_pb2.Origin(backend="x" * 10_000))

    stub, _ = await linked(Endless())
    stream = stub.StreamGenerate(router_pb2.StreamGenerateRequest())
    await anext(stream)
    await asyncio.sleep(0.3)
    held = sent
    assert held * 10_000 <= WINDOW_BYTES + 20_000
    for _ in range(held):
        await anext(stream)
    await asyncio.sleep(0.1)
    assert sent > held
    stream.cancel()


async def test_a_link_that_breaks_fails_its_calls_as_unavailable(linked, router):
    stub, channel = await linked()
    asking = asyncio.create_task(_generate(stub))
    await router.entered.wait()
    channel.break_link()
    assert type(await failure(asking)) is errors.Unavailable


async def test_with_retries_a_call_whose_link_broke_is_made_again(linked, router):
    stub, channel = await linked(retries=True)
    asking = asyncio.create_task(_generate(stub))
    await router.entered.wait()
    router.proceed.set()
    channel.break_link()
    assert (await asking).origin.backend == "late"


async def test_after_a_break_calls_go_on_and_a_new_link_comes(linked):
    stub, channel = await linked()
    channel.break_link()
    assert await stub.ListModels(LIST) == models("a/b")
    await asyncio.sleep(1.1)
    assert await channel.link_ready()
    assert await stub.ListModels(LIST) == models("a/b")


async def test_an_old_link_is_left_for_a_new_one_and_its_calls_end_on_it(linked, router):
    stub, channel = await linked(age_seconds=0.2)
    asking = asyncio.create_task(_generate(stub))
    await router.entered.wait()
    await asyncio.sleep(1.1)
    assert await stub.ListModels(LIST) == models("a/b")
    assert await channel.link_ready()
    router.proceed.set()
    assert (await asking).origin.backend == "late"


async def test_a_large_request_goes_by_itself(linked):
    class Big:
        async def generate(self, request, call):
            over_a_link = type(call.context).__name__ == "LinkedContext"
            return router_pb2.GenerateResponse(origin=router_pb2.Origin(backend=str(over_a_link)))

    stub, _ = await linked(Big())
    for size, over_a_link in ((10, "True"), (LARGEST_REQUEST_BYTES + 1, "False")):
        request = router_pb2.GenerateRequest()
        request.request.model = "x" * size
        assert (await stub.Generate(request)).origin.backend == over_a_link


async def test_a_server_that_goes_lets_calls_end_and_sends_new_ones_away():
    router = Router()
    async with serving("127.0.0.1:0", [Service(DESCRIPTOR, router)], mesh=OPEN) as server:
        channel = open_channel(f"127.0.0.1:{server.port}", retries=False)
        assert isinstance(channel, LinkedChannel)
        assert await channel.link_ready()
        asking = asyncio.create_task(_generate(router_pb2_grpc.RouterServiceStub(channel)))
        await router.entered.wait()
        asyncio.get_running_loop().call_later(0.3, router.proceed.set)
    assert (await asking).origin.backend == "late"
    assert not await channel.link_ready()
    await channel.close()


async def test_a_server_without_links_is_called_all_the_same(stack, router):
    server = grpc.aio.server()
    router_pb2_grpc.add_RouterServiceServicer_to_server(_Plain(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{port}"))
    stub = router_pb2_grpc.RouterServiceStub(channel)
    assert not await channel.link_ready()
    assert await stub.ListModels(LIST) == models("plain")
    await server.stop(0)


async def test_an_unknown_method_over_a_link_is_unimplemented(linked):
    _, channel = await linked()
    call = channel.unary_unary("/synapse.router.v1.RouterService/Nothing", bytes, bytes)
    assert type(await failure(call(b""))) is errors.Unimplemented


async def test_steps_of_calls_that_are_not_known_change_nothing(linked):
    stub, channel = await linked()
    asks = [link_pb2.Ask(call=7, taken=5), link_pb2.Ask(call=7, left=True), link_pb2.Ask()]
    exchange = link_pb2_grpc.LinkServiceStub(channel).Exchange()
    await exchange.write(link_pb2.ExchangeRequest(asks=asks))
    assert await exchange.read() == link_pb2.ExchangeResponse()
    assert await stub.ListModels(LIST) == models("a/b")
    await exchange.done_writing()


async def test_a_batch_is_bounded_and_keeps_the_order():
    outbox: Outbox[bytes] = Outbox(len)
    frames = [bytes([number]) * (LARGEST_BATCH_BYTES // 3) for number in range(10)]
    for frame in frames:
        outbox.put(frame)
    outbox.put(b"x" * (2 * LARGEST_BATCH_BYTES))
    outbox.close()
    batches = []
    while batch := await outbox.batch():
        batches.append(batch)
    assert [frame for batch in batches for frame in batch][:10] == frames
    assert all(sum(map(len, batch)) <= LARGEST_BATCH_BYTES or len(batch) == 1 for batch in batches)
    assert outbox.waiting_bytes == 0


async def _generate(stub):
    return await stub.Generate(router_pb2.GenerateRequest())


class _Plain(router_pb2_grpc.RouterServiceServicer):
    async def ListModels(self, _request, _context):  # noqa: N802
        return models("plain")
