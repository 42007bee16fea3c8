"""Client-streamed calls: read as fast as their method takes them, with the edge that every call has."""

from __future__ import annotations

import asyncio

import pytest

from synapse.cache.v1 import cache_pb2, transfer_pb2
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.server import Service, serving
from tests.unit.runtime.mesh import ACME, OPEN, SECRET, failure

DESCRIPTOR = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]
MEGABYTE = "x" * 1_000_000


class Taker:
    """Takes as many requests as it is told to, each when it may."""

    def __init__(self, *, most=1_000_000, error=None):
        self.most = most
        self.error = error
        self.may = asyncio.Event()
        self.may.set()
        self.calls = []

    async def import_entries(self, requests, call):
        self.calls.append(call)
        taken = 0
        async for _request in requests:
            await self.may.wait()
            taken += 1
            if taken >= self.most:
                break
        if self.error is not None:
            raise self.error
        return transfer_pb2.ImportEntriesResponse(imported=taken)


@pytest.fixture(params=["linked", "plain"])
async def open_taker(request, stack):
    """Serves a taker; returns its stub, over a channel whose other calls travel over a link or not."""

    async def start(taker, mesh=OPEN):
        running = await stack.enter_async_context(serving("127.0.0.1:0", [Service(DESCRIPTOR, taker)], mesh=mesh))
        target = f"127.0.0.1:{running.port}"
        channel = await stack.enter_async_context(open_channel(target, linked=request.param == "linked"))
        return CacheServiceStub(channel)

    return start


async def many(count, sent=None):
    for _ in range(count):
        yield transfer_pb2.ImportEntriesRequest(unreadable=MEGABYTE)
        if sent is not None:
            sent.append(1)


async def test_all_requests_arrive_and_one_reply_comes(open_taker):
    stub = await open_taker(Taker())
    assert (await stub.ImportEntries(many(3))).imported == 3


async def test_who_asks_is_proven_as_for_any_call(open_taker):
    taker = Taker()
    stub = await open_taker(taker, SECRET)
    await stub.ImportEntries(many(1), metadata=CallMetadata(SECRET).of(ACME, "req_1"))
    assert (taker.calls[0].identity, taker.calls[0].request_id) == (ACME, "req_1")
    assert isinstance(await failure(stub.ImportEntries(many(1))), errors.Unauthenticated)


async def test_an_error_crosses_although_not_all_was_taken(open_taker):
    stub = await open_taker(Taker(most=1, error=errors.ResourceExhausted("enough", reason="ENOUGH")))
    error = await failure(stub.ImportEntries(many(50)))
    assert (type(error), error.reason) == (errors.ResourceExhausted, "ENOUGH")


async def test_a_method_that_is_slow_holds_up_who_sends(open_taker):
    taker, sent = Taker(), []
    taker.may.clear()
    stub = await open_taker(taker)
    call = stub.ImportEntries(many(200, sent))
    await asyncio.sleep(0.5)
    held = len(sent)
    taker.may.set()
    assert (await call).imported == 200
    assert held < 50


async def test_a_method_that_nobody_serves_is_said_to_be_missing(open_taker):
    stub = await open_taker(object())
    assert isinstance(await failure(stub.ImportEntries(many(1))), errors.Unimplemented)
