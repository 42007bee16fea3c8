"""What had arrived before a connection broke is read before the break is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from yarl import URL

from synapse_llm_router.adapters.http_client import HttpClient, Limits
from synapse_runtime.errors import DeadlineExceeded, Unavailable
from tests.support.openai_upstream import OpenAIDouble

LIMITS = Limits(
    connect_seconds=1,
    first_byte_seconds=5,
    between_events_seconds=5,
    total_seconds=10,
    response_bytes=100_000,
    connections=2,
    keepalive_seconds=5,
)
ASKED = b'{"model": "m", "messages": [], "stream": true}'


async def test_nothing_is_lost_that_came_before_the_break(double: OpenAIDouble) -> None:
    double.behaviour.cut_after = 5
    client = HttpClient("b", limits=LIMITS, headers={})
    try:
        async with await client.send("POST", URL(double.url + "/v1/chat/completions"), data=ASKED) as exchange:
            await asyncio.sleep(0.3)  # the connection breaks before anything was read
            heard = await exchange.piece()
            with pytest.raises(Unavailable):
                await exchange.piece()
    finally:
        await client.close()
    assert heard.count(b"data: ") == 5


@pytest.mark.parametrize(("seconds", "phase"), [(0.1, "caller"), (None, "first_byte")])
async def test_a_callers_own_bound_is_told_from_the_backends(
    double: OpenAIDouble, seconds: float | None, phase: str
) -> None:
    double.behaviour.head_delay_seconds = 1
    client = HttpClient("b", limits=replace(LIMITS, first_byte_seconds=0.3), headers={})
    try:
        with pytest.raises(DeadlineExceeded) as caught:
            await client.send("POST", URL(double.url + "/v1/chat/completions"), data=ASKED, seconds_left=seconds)
    finally:
        await client.close()
    assert caught.value.metadata["phase"] == phase
