"""A running router leaves failing backends alone, waits for those that start, and queues for those that are full."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, backend, question, router_of
from tests.contract.llm_router.routed import asked, backends_of, pair, refusal, until
from tests.support.openai_upstream import OpenAIDouble, openai_double

BREAKER = {"consecutive_failures": 3, "cooldown_seconds": 0.3}


async def test_a_backend_that_keeps_failing_is_left_alone_and_comes_back() -> None:
    async with pair(breaker=BREAKER) as both:
        both.a.behaviour.status = 500
        assert [await both.asked() for _ in range(6)] == ["b"] * 6
        assert len(both.a.requests) == 3
        told = (await backends_of(both.stub))["a"]
        assert (told.state, told.error_ratio) == (wire.BACKEND_STATE_COOLING_DOWN, 1.0)
        assert told.last_error == "unavailable: it answered with status 500"
        assert 0 < told.retry_time.ToMilliseconds() / 1000 - time.time() < 0.3
        both.a.behaviour.status = 200
        await asyncio.sleep(0.3)
        assert [await both.asked(), await both.asked()] == ["a", "a"]


async def test_when_nobody_is_left_the_earliest_retry_is_told(double: OpenAIDouble) -> None:
    double.behaviour.status = 500
    async with router_of(backend(double), breaker={"consecutive_failures": 2, "cooldown_seconds": 7}) as stub:
        assert [(await refusal(stub)).reason for _ in range(2)] == ["PROVIDER_ERROR"] * 2
        error = await refusal(stub)
    assert (error.code.name, error.reason) == ("UNAVAILABLE", "BACKENDS_COOLING_DOWN")
    assert 6 < error.retry_after_seconds <= 7
    assert len(double.requests) == 2


async def test_a_backend_that_loads_its_model_is_waited_for_and_found() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    health = {"interval_seconds": 0.05}
    slow = {
        "name": "slow",
        "provider": "vllm",
        "endpoint": f"http://127.0.0.1:{port}",
        "models": ["m"],
        "health": health,
    }
    async with router_of(slow) as stub:
        await until(lambda: _is(stub, "slow", wire.BACKEND_STATE_STARTING))
        began = time.monotonic()
        error = await refusal(stub)
        assert time.monotonic() - began < 0.5
        assert (error.code.name, error.retry_after_seconds) == ("UNAVAILABLE", 10)
        assert error.reason in {"BACKEND_STARTING", "UPSTREAM_UNREACHABLE"}
        async with openai_double(port=port):
            await until(lambda: _is(stub, "slow", wire.BACKEND_STATE_HEALTHY))
            assert await asked(stub) == "slow"


async def test_a_backend_whose_health_says_503_is_not_asked(double: OpenAIDouble) -> None:
    double.behaviour.health = 503
    settings: dict[str, Any] = {"provider": "llamacpp", "health": {"interval_seconds": 0.05}}
    async with router_of(backend(double, **settings), starting_retry_seconds=8) as stub:
        await until(lambda: len(double.requests) > 1)
        error = await refusal(stub)
        assert (error.reason, error.retry_after_seconds) == ("BACKEND_STARTING", 8)
        double.behaviour.health = 200
        await until(lambda: _is(stub, "double", wire.BACKEND_STATE_HEALTHY))
        assert await asked(stub) == "double"


async def test_a_model_served_elsewhere_goes_there_meanwhile() -> None:
    starting = {"provider": "vllm", "health": {"interval_seconds": 0.05}}
    async with pair(a=starting) as both:
        both.a.behaviour.health = both.a.behaviour.status = 503
        assert [await both.asked() for _ in range(3)] == ["b"] * 3
        assert len([one for one in both.a.requests if one.method == "POST"]) <= 1


async def test_a_healthy_backend_that_is_asked_is_not_checked(double: OpenAIDouble) -> None:
    async with router_of(backend(double, provider="vllm", health={"interval_seconds": 0.2})) as stub:
        for _ in range(30):
            await asked(stub)
            await asyncio.sleep(0.02)
    assert len([one for one in double.requests if one.path == "/health"]) <= 2


async def test_a_software_as_a_service_is_not_checked(double: OpenAIDouble) -> None:
    async with router_of(backend(double, provider="openai")) as stub:
        await asyncio.sleep(0.1)
        assert await asked(stub) == "double"
    assert len(double.requests) == 1


async def test_a_full_backend_makes_requests_wait_in_order(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 0.1
    async with router_of(backend(double, max_in_flight=2)) as stub:
        tasks = [asyncio.create_task(asked(stub)) for _ in range(6)]
        await until(lambda: _queued(stub, 4))
        told = (await backends_of(stub))["double"]
        assert (told.in_flight, told.max_in_flight) == (2, 2)
        assert await asyncio.gather(*tasks) == ["double"] * 6
        told = (await backends_of(stub))["double"]
        assert (told.in_flight, told.queued, told.request_count) == (0, 0, 6)


async def test_a_full_queue_is_refused_with_a_time_to_retry(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 0.3
    async with router_of(backend(double, max_in_flight=1, max_queued=1)) as stub:
        tasks = [asyncio.create_task(asked(stub)) for _ in range(2)]
        await until(lambda: _queued(stub, 1))
        error = await refusal(stub)
        assert (error.code.name, error.reason, error.retry_after_seconds) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL", 1)
        await asyncio.gather(*tasks)


async def test_nobody_waits_longer_than_the_bound(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 1
    async with router_of(backend(double, max_in_flight=1, queue_seconds=0.1)) as stub:
        task = asyncio.create_task(asked(stub))
        await asyncio.sleep(0.05)
        assert (await refusal(stub)).reason == "QUEUE_TIMEOUT"
        assert await task == "double"


async def test_a_request_cancelled_in_the_queue_is_never_sent(double: OpenAIDouble) -> None:
    double.behaviour.head_delay_seconds = 0.3
    async with router_of(backend(double, max_in_flight=1)) as stub:
        task = asyncio.create_task(asked(stub))
        await until(lambda: len(double.requests) == 1)
        waiting = stub.Generate(wire.GenerateRequest(request=question()))
        await until(lambda: _queued(stub, 1))
        waiting.cancel()
        await until(lambda: _queued(stub, 0))
        assert await task == "double"
        assert await asked(stub) == "double"
    assert len(double.requests) == 2


async def test_a_stream_keeps_its_place_to_its_end_and_gives_it_back_when_left(double: OpenAIDouble) -> None:
    double.behaviour.event_delay_seconds = 0.05
    async with router_of(backend(double, max_in_flight=1)) as stub:
        call = stub.StreamGenerate(wire.StreamGenerateRequest(request=question()))
        await call.read()
        assert (await backends_of(stub))["double"].in_flight == 1
        call.cancel()
        await asyncio.wait_for(double.abandoned.wait(), 2)
        assert await asked(stub, seconds=2) == "double"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_request_cancelled_while_it_backs_off_is_not_repeated(double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.statuses = [500]
    async with router_of(backend(double), retries={"max_retries": 1, "base_seconds": 0.5}) as stub:
        task = asyncio.create_task(asked(stub, streamed=streamed))
        await until(lambda: len(double.requests) == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0.6)
    assert len(double.requests) == 1


async def _is(stub: Stub, name: str, state: int) -> bool:
    return bool((await backends_of(stub))[name].state == state)


async def _queued(stub: Stub, count: int) -> bool:
    return bool((await backends_of(stub))["double"].queued == count)
