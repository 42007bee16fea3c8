"""What every store of traces does: in memory and on three real servers."""

from __future__ import annotations

import dataclasses
import secrets

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.traces_memory import MemoryTraceStore
from synapse_cache.adapters.traces_redis import RedisTraceStore
from synapse_cache.feedback.traces import TRACE_SECONDS, Trace
from synapse_cache.ports import StoreUnavailable
from tests.support.clock import Clock
from tests.support.redis_servers import BINARIES

MOST = 5


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", *BINARIES])
async def store(request, clock, redis_servers):
    if request.param == "memory":
        yield MemoryTraceStore(most=MOST, clock=clock)
        return
    link = RedisLink(redis_servers(request.param).url, timeout_seconds=5, max_connections=2)
    store = RedisTraceStore(link, prefix=f"t-{secrets.token_hex(6)}", most=MOST, clock=clock)
    yield store
    await store.close()


@pytest.fixture
def a_trace(clock):
    def make(number: int = 1, **changes) -> Trace:
        base = Trace("ns", f"req {number}", "d" * 64, f"{number:064x}", "e1", "a" * 64, "L2", clock(), (0.5, -1.25))
        return dataclasses.replace(base, **changes)

    return make


async def test_a_trace_is_found_whole_by_its_request_and_its_wording(store, a_trace):
    await store.note("acme", [a_trace(), a_trace(2, traits=(), tier="L1")])
    assert await store.by_request("acme", "req 1") == await store.by_wording("acme", f"{1:064x}") == a_trace()
    assert await store.by_request("acme", "req 2") == a_trace(2, traits=(), tier="L1")


async def test_another_tenant_finds_nothing(store, a_trace):
    await store.note("acme", [a_trace()])
    assert await store.by_request("globex", "req 1") is None
    assert await store.by_wording("globex", f"{1:064x}") is None


async def test_a_request_is_no_wording(store, a_trace):
    await store.note("acme", [a_trace(request_id="x", wording="y")])
    assert await store.by_request("acme", "y") is None
    assert await store.by_wording("acme", "x") is None


async def test_a_wording_keeps_the_trace_that_has_traits(store, a_trace):
    await store.note("acme", [a_trace(request_id="first", traits=())])
    await store.note("acme", [a_trace(request_id="second")])
    await store.note("acme", [a_trace(request_id="third", traits=())])
    assert (await store.by_wording("acme", f"{1:064x}")).request_id == "second"


async def test_a_trace_without_a_wording_is_found_by_its_request_only(store, a_trace):
    await store.note("acme", [a_trace(wording="")])
    assert (await store.by_request("acme", "req 1")).wording == ""
    assert await store.by_wording("acme", "") is None


async def test_only_the_newest_are_kept(store, a_trace, clock):
    for number in range(12):
        clock.advance(1)
        await store.note("acme", [a_trace(number)])
    found = [number for number in range(12) if await store.by_request("acme", f"req {number}")]
    assert found == [7, 8, 9, 10, 11]


async def test_a_trace_is_gone_after_a_day(store, a_trace, clock):
    await store.note("acme", [a_trace()])
    clock.advance(TRACE_SECONDS)
    assert await store.by_request("acme", "req 1") is None
    await store.note("acme", [a_trace(2)])
    assert await store.by_request("acme", "req 2") == a_trace(2)


async def test_a_dead_server_is_told(a_trace):
    store = RedisTraceStore(RedisLink("redis://127.0.0.1:1/0", timeout_seconds=1, max_connections=1))
    for call in (store.note("acme", [a_trace()]), store.by_request("acme", "r"), store.by_wording("acme", "w")):
        with pytest.raises(StoreUnavailable):
            await call
