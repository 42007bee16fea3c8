"""What a question over REST in the wire's own form costs its key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.embed.v1 import embed_pb2
from synapse.llm.v1 import generation_pb2
from synapse.router.v1 import router_pb2
from synapse_gateway.asking import Bill
from synapse_gateway.keys import Account
from synapse_gateway.limits import Limits, Meter
from synapse_gateway.metrics import Metrics
from synapse_runtime.identity import Identity

LIMIT = 6_000_000
USED = generation_pb2.Usage(total_tokens=1_000_000)
ANSWER = generation_pb2.Generation(usage=USED)
LAST = generation_pb2.GenerationEvent(usage=USED)
MISS = outcome_pb2.Outcome(status=outcome_pb2.CACHE_STATUS_MISS)
HIT = outcome_pb2.Outcome(status=outcome_pb2.CACHE_STATUS_HIT)
SHARED = outcome_pb2.Outcome(status=outcome_pb2.CACHE_STATUS_MISS, collapsed=True)


class Key:
    """An account with a limit of tokens, and what its bills leave of it."""

    def __init__(self) -> None:
        self._meter = Meter(Limits(tokens_per_minute=LIMIT), now=0.0)
        self.metrics = Metrics()
        self.bill = Bill(Account(Identity("acme", "k"), self._meter), self.metrics)

    @property
    def charged(self) -> float:
        (level,) = self._meter.levels(0.0)
        return level.limit - level.remaining


@pytest.mark.parametrize(
    ("reply", "charged"),
    [
        (cache_pb2.GenerateResponse(outcome=MISS, generation=ANSWER), 1_000_000),
        (cache_pb2.GenerateResponse(outcome=HIT, generation=ANSWER), 0),
        (cache_pb2.GenerateResponse(outcome=SHARED, generation=ANSWER), 0),
        (router_pb2.GenerateResponse(generation=ANSWER), 1_000_000),
        (router_pb2.CountTokensResponse(input_tokens=5), 0),
        (embed_pb2.EmbedResponse(token_count=7), 7),
        (embed_pb2.RerankResponse(token_count=9), 9),
    ],
)
def test_a_key_pays_for_what_backends_used(reply: Any, charged: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    key = Key()
    key.bill.note(reply)
    key.bill.charge()
    assert key.charged == charged


async def test_a_stream_is_charged_at_its_end_even_if_its_reader_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)

    async def messages() -> AsyncGenerator[Any, None]:
        yield cache_pb2.StreamGenerateResponse(outcome=MISS)
        yield cache_pb2.StreamGenerateResponse(events=[LAST])
        yield cache_pb2.StreamGenerateResponse()

    key = Key()
    replies = key.bill.charged(messages())
    assert [await anext(replies), await anext(replies)][1].events
    await replies.aclose()
    assert key.charged == 1_000_000


@pytest.mark.parametrize(("reply", "counted"), [({"generation": ANSWER}, 1.0), ({}, 0.0)])
def test_a_hit_is_counted_and_a_preview_is_not(reply: Any, counted: float) -> None:
    key = Key()
    key.bill.note(cache_pb2.GenerateResponse(outcome=HIT, **reply))
    key.bill.charge()
    assert key.metrics.registry.get_sample_value("synapse_cache_hits_total") == counted
