"""What every ledger of feedback does: in memory and on three real servers."""

from __future__ import annotations

import secrets

import pytest

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.adapters.feedback_memory import MemoryFeedbackLedger
from synapse_cache.adapters.feedback_redis import RedisFeedbackLedger
from synapse_cache.feedback.feedback import Limit
from synapse_cache.ports import StoreUnavailable
from tests.support.redis_servers import BINARIES

LIMIT = Limit("reports", 2, 60)


@pytest.fixture(params=["memory", *BINARIES])
async def ledger(request, redis_servers):
    if request.param == "memory":
        yield MemoryFeedbackLedger()
        return
    link = RedisLink(redis_servers(request.param).url, timeout_seconds=5, max_connections=2)
    ledger = RedisFeedbackLedger(link, prefix=f"t-{secrets.token_hex(6)}")
    yield ledger
    await ledger.close()


async def test_a_limit_is_exceeded_only_by_more_than_it_allows(ledger):
    waits = [await ledger.spend("acme", "k", LIMIT, now=600 + 10) for _ in range(3)]
    assert waits == [0, 0, 50]


async def test_a_new_period_begins_with_nothing_spent(ledger):
    for _ in range(3):
        await ledger.spend("acme", "k", LIMIT, now=600)
    assert await ledger.spend("acme", "k", LIMIT, now=660) == 0


async def test_limits_count_for_each_credential_tenant_and_name(ledger):
    for _ in range(3):
        await ledger.spend("acme", "k", LIMIT, now=600)
    others = [("acme", "k2", LIMIT), ("globex", "k", LIMIT), ("acme", "k", Limit("wrong", 2, 60))]
    assert [await ledger.spend(*other, now=600) for other in others] == [0, 0, 0]


async def test_each_credential_has_one_vote(ledger):
    votes = [await ledger.vote("acme", "e1", "wrong", who) for who in ("a", "a", "b")]
    assert votes == [(True, 1), (False, 1), (True, 2)]


async def test_a_changed_mind_moves_the_vote(ledger):
    await ledger.vote("acme", "e1", "wrong", "a")
    assert await ledger.vote("acme", "e1", "right", "a") == (True, 1)
    assert await ledger.vote("acme", "e1", "wrong", "b") == (True, 1)


async def test_votes_are_about_one_thing_of_one_tenant(ledger):
    await ledger.vote("acme", "e1", "wrong", "a")
    assert await ledger.vote("acme", "e2", "wrong", "b") == (True, 1)
    assert await ledger.vote("globex", "e1", "wrong", "b") == (True, 1)


async def test_what_was_remembered_is_known_to_the_same_credential_only(ledger):
    await ledger.remember("acme", "a", "k", "dóne")
    said = [await ledger.said(*whose) for whose in (("acme", "a", "k"), ("acme", "ak", ""), ("globex", "a", "k"))]
    assert said == ["dóne", "", ""]


async def test_a_dead_server_is_told():
    ledger = RedisFeedbackLedger(RedisLink("redis://127.0.0.1:1/0", timeout_seconds=1, max_connections=1))
    for call in (ledger.spend("t", "k", LIMIT, now=0), ledger.vote("t", "e", "wrong", "k"), ledger.said("t", "k", "i")):
        with pytest.raises(StoreUnavailable):
            await call
