"""What every store of the log of requests does: in memory and on three real servers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.log_codec import encode
from synapse_cache.adapters.log_memory import MemoryRequestLog
from synapse_cache.adapters.log_redis import RedisRequestLog
from synapse_cache.analytics.request_log import Logged
from synapse_cache.ports import RequestLogStore, StoreUnavailable
from tests.support.clock import Clock
from tests.support.logged import a_hit_by_meaning, a_miss, a_refusal, an_exact_hit
from tests.support.redis_servers import BINARIES, RedisServer

MOST, SECONDS = 5, 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", *BINARIES])
async def store(
    request: pytest.FixtureRequest, clock: Clock, redis_servers: Callable[[str], RedisServer]
) -> AsyncIterator[RequestLogStore]:
    if request.param == "memory":
        yield MemoryRequestLog(most=MOST, seconds=SECONDS, clock=clock)
        return
    store = a_redis_log(redis_servers(request.param), clock)
    yield store
    await store.close()


def a_redis_log(server: RedisServer, clock: Clock, prefix: str = "") -> RedisRequestLog:
    link = RedisLink(server.url, timeout_seconds=5, max_connections=2)
    name = prefix or f"t-{secrets.token_hex(6)}"
    return RedisRequestLog(link, most=MOST, seconds=SECONDS, prefix=name, clock=clock)


@pytest.fixture
def now(clock: Clock) -> Callable[..., Logged]:
    """Makes a request logged now."""

    def make(request_id: str, **changes: object) -> Logged:
        return a_miss(**{"id": request_id, "at": clock()} | changes)

    return make


async def ids(store: RequestLogStore, tenant: str = "acme", before: str = "", limit: int = 100) -> list[str]:
    return [one.id for _, one in await store.page(tenant, before=before, limit=limit)]


async def test_nothing_is_in_an_empty_log(store: RequestLogStore) -> None:
    assert await store.page("acme", before="", limit=10) == []


async def test_the_newest_comes_first_and_whole(store: RequestLogStore, clock: Clock) -> None:
    logged = [
        an_exact_hit(at=clock(), stale=True),
        a_hit_by_meaning(at=clock(), sketch=bytes(range(256)), prompt="día\n\0"),
        a_refusal(at=clock(), best_veto="number", shadow=True, asked_error=0.001),
    ]
    await store.append(logged, batch_id="b1")
    assert [one for _, one in await store.page("acme", before="", limit=10)] == logged[::-1]


async def test_pages_go_on_where_they_ended_whatever_comes_meanwhile(
    store: RequestLogStore, now: Callable[..., Logged]
) -> None:
    await store.append([now("1"), now("2"), now("3")], batch_id="b1")
    first = await store.page("acme", before="", limit=2)
    await store.append([now("4")], batch_id="b2")
    assert [one.id for _, one in first] == ["3", "2"]
    assert await ids(store, before=first[-1][0]) == ["1"]


async def test_only_the_newest_are_kept(store: RequestLogStore, now: Callable[..., Logged]) -> None:
    await store.append([now(str(number)) for number in range(4)], batch_id="b1")
    await store.append([now(str(number)) for number in range(4, 8)], batch_id="b2")
    assert await ids(store) == ["7", "6", "5", "4", "3"]


async def test_a_position_stays_one_when_its_request_is_gone(
    store: RequestLogStore, now: Callable[..., Logged]
) -> None:
    await store.append([now("1"), now("2")], batch_id="b1")
    oldest = (await store.page("acme", before="", limit=10))[-1][0]
    await store.append([now(str(number)) for number in range(3, 9)], batch_id="b2")
    assert await ids(store, before=oldest) == []


async def test_what_is_too_old_is_not_told(store: RequestLogStore, now: Callable[..., Logged], clock: Clock) -> None:
    await store.append([now("old")], batch_id="b1")
    clock.advance(SECONDS / 2)
    await store.append([now("new")], batch_id="b2")
    clock.advance(SECONDS / 2 + 1)
    assert await ids(store) == ["new"]


async def test_a_batch_that_is_sent_again_is_added_once(store: RequestLogStore, now: Callable[..., Logged]) -> None:
    await store.append([now("1"), now("1", tenant="globex")], batch_id="b1")
    await store.append([now("1"), now("1", tenant="globex")], batch_id="b1")
    assert (await ids(store), await ids(store, "globex")) == (["1"], ["1"])


@pytest.mark.parametrize(
    ("one", "other"), [("acme", "globex"), ("a", "a:"), ("", "0:"), ("é", "e\u0301"), ("a\0", "a")]
)
async def test_a_tenant_never_sees_anothers_requests(
    store: RequestLogStore, now: Callable[..., Logged], one: str, other: str
) -> None:
    await store.append([now("1", tenant=one)], batch_id="b1")
    assert await ids(store, other) == []
    assert await ids(store, one) == ["1"]


async def test_replicas_read_what_each_other_wrote(
    redis_server: RedisServer, now: Callable[..., Logged], clock: Clock
) -> None:
    prefix = f"t-{secrets.token_hex(6)}"
    here, there = a_redis_log(redis_server, clock, prefix), a_redis_log(redis_server, clock, prefix)
    await here.append([now("1")], batch_id="b1")
    assert await ids(there) == ["1"]
    await here.close()
    await there.close()


async def test_a_server_that_is_down_is_a_typed_failure(
    redis_server: RedisServer, now: Callable[..., Logged], clock: Clock
) -> None:
    store = a_redis_log(redis_server, clock)
    redis_server.stop()
    with pytest.raises(StoreUnavailable):
        await store.append([now("1")], batch_id="b1")
    with pytest.raises(StoreUnavailable):
        await store.page("acme", before="", limit=1)
    await store.close()


async def test_what_cannot_be_read_is_left_out(
    redis_server: RedisServer, now: Callable[..., Logged], clock: Clock
) -> None:
    store = a_redis_log(redis_server, clock)
    await store.append([now("1")], batch_id="b1")
    link = RedisLink(redis_server.url, timeout_seconds=5, max_connections=1)
    names = await link.call("KEYS", f"{store._prefix}:*:log")
    for broken in (b"", b"[]", b"[1]", b"{}", b"[9,1]", b"\xff"):
        await link.call("XADD", names[0], "*", "r", broken, "v", b"")
    await store.append([now("2")], batch_id="b2")
    assert await ids(store, limit=2) == ["2"]
    await link.close()
    await store.close()


async def test_a_log_that_nobody_writes_is_gone_in_time(
    redis_server: RedisServer, now: Callable[..., Logged], clock: Clock
) -> None:
    store = a_redis_log(redis_server, clock)
    await store.append([now("1")], batch_id="b1")
    link = RedisLink(redis_server.url, timeout_seconds=5, max_connections=1)
    for name in await link.call("KEYS", f"{store._prefix}:*"):
        assert 0 < await link.call("PTTL", name) <= SECONDS * 1000
    await link.close()
    await store.close()


def test_a_record_is_small() -> None:
    long = a_hit_by_meaning(
        id="req_" + "f" * 24,
        at=1795456000.123456,
        entry_id="e" * 32,
        model="gpt-4o-mini-2024-07-18",
        namespace="support",
        similarity=0.9123456789,
        best_similarity=0.9123456789,
        best_error=0.0123456789012,
        bar=0.0412345678901,
        age_seconds=512.123456,
        ttl_seconds=3087.876544,
        latency_seconds=0.0041234,
        embed_seconds=0.0021234,
        tokens=412,
        cost_nanos=123_000,
    )
    assert len(encode(long)) < 400
