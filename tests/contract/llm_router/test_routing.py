"""A running router asks several backends for one model as its settings say."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import backend, question, router_of
from tests.contract.llm_router.routed import QUICK, asked, backends_of, pair, refusal
from tests.support.openai_upstream import OpenAIDouble, openai_double

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@BOTH
@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_another_backend_takes_over_when_one_fails(status: int, *, streamed: bool) -> None:
    async with pair() as both:
        both.a.behaviour.status = status
        assert await both.asked(streamed=streamed) == "b"
        assert (len(both.a.requests), len(both.b.requests)) == (1, 1)


@BOTH
async def test_a_wrong_request_is_sent_to_one_backend_only(*, streamed: bool) -> None:
    async with pair(retries=QUICK) as both:
        both.a.behaviour.status = 400
        assert (await refusal(both.stub, streamed=streamed)).provider.http_status == 400
        assert not both.b.requests


@BOTH
async def test_a_backend_that_is_gone_is_replaced(*, streamed: bool) -> None:
    async with openai_double() as gone:
        left = gone.url
    async with openai_double() as b:
        backends = {"name": "a", "endpoint": left, "models": ["m"]}, backend(b, name="b")
        async with router_of(*backends) as stub:
            assert [await asked(stub, streamed=streamed) for _ in range(3)] == ["b"] * 3
            assert (await backends_of(stub))["a"].state == wire.BACKEND_STATE_STARTING


@BOTH
async def test_a_single_backend_is_asked_again(double: OpenAIDouble, *, streamed: bool) -> None:
    double.behaviour.statuses = [500, 503]
    async with router_of(backend(double), retries=QUICK) as stub:
        assert await asked(stub, streamed=streamed) == "double"
    assert len(double.requests) == 3


async def test_retry_after_is_honoured(double: OpenAIDouble) -> None:
    double.behaviour.statuses = [429]
    double.behaviour.headers = {"retry-after-ms": "300"}
    async with router_of(backend(double), retries=QUICK) as stub:
        began = time.monotonic()
        assert await asked(stub) == "double"
        assert 0.3 <= time.monotonic() - began < 2


async def test_a_retry_after_beyond_the_deadline_is_told_at_once(double: OpenAIDouble) -> None:
    double.behaviour.status, double.behaviour.headers = 429, {"retry-after": "4"}
    async with router_of(backend(double), retries=QUICK) as stub:
        began = time.monotonic()
        error = await refusal(stub, seconds=3)
        assert (error.retry_after_seconds, error.provider.http_status) == (4, 429)
        assert time.monotonic() - began < 1


async def test_a_stream_that_breaks_after_it_began_is_not_begun_anew() -> None:
    async with pair(retries=QUICK) as both:
        both.a.behaviour.cut_after = 3
        call = both.stub.StreamGenerate(wire.StreamGenerateRequest(request=question()))
        heard = await call.read()
        assert heard.origin.backend == "a"
        error = await refusal(both.stub, streamed=True)
        assert error.reason == "UPSTREAM_TRUNCATED"
        assert not both.b.requests


@BOTH
async def test_a_fallback_model_answers_a_prompt_that_is_too_long(*, streamed: bool) -> None:
    fallback = {"on": ["context_window"], "model": "long"}
    async with pair(b={"models": ["long=big"]}, routes=[{"model": "m", "fallbacks": [fallback]}]) as both:
        both.a.behaviour.status = 400
        both.a.behaviour.body = b'{"error":{"message":"too long","code":"context_length_exceeded"}}'
        assert await both.asked(streamed=streamed) == "b"
        assert both.b.requests[0].body["model"] == "big"


async def test_a_fallback_is_not_for_other_failures() -> None:
    fallback = {"on": ["context_window"], "model": "long"}
    async with pair(b={"models": ["long"]}, routes=[{"model": "m", "fallbacks": [fallback]}]) as both:
        both.a.behaviour.status = 500
        assert (await refusal(both.stub)).provider.http_status == 500


async def test_a_route_spreads_by_weight() -> None:
    targets = [{"backend": "a", "weight": 3}, {"backend": "b", "model": "other", "weight": 1}]
    async with pair(routes=[{"model": "m", "strategy": "weighted", "targets": targets}]) as both:
        assert Counter([await both.asked() for _ in range(20)]) == {"a": 15, "b": 5}
        assert both.b.requests[0].body["model"] == "other"


async def test_the_least_busy_backend_is_asked() -> None:
    async with pair(strategy="least_in_flight") as both:
        both.a.behaviour.head_delay_seconds = both.b.behaviour.head_delay_seconds = 0.3
        names = await asyncio.gather(*(both.asked() for _ in range(10)))
        assert Counter(names) == {"a": 5, "b": 5}


async def test_the_quicker_backend_is_asked() -> None:
    async with pair(strategy="latency", latency_exploration=0) as both:
        both.a.behaviour.head_delay_seconds = 0.2
        names = [await both.asked(streamed=True) for _ in range(6)]
        assert names[2:] == ["b"] * 4
        told = await backends_of(both.stub)
        assert told["a"].first_token_latency.ToMilliseconds() >= 200
        assert told["b"].first_token_latency.ToMilliseconds() < 200


async def test_the_cheaper_backend_is_asked() -> None:
    a = {"provider": "openai", "models": ["m=gpt-4.1"]}
    b = {"provider": "openai", "models": ["m=gpt-4.1-nano"]}
    async with pair(a, b, strategy="cost") as both:
        assert [await both.asked() for _ in range(3)] == ["b"] * 3


async def test_models_tell_every_backend_that_serves_them() -> None:
    route = {"model": "only-b", "targets": [{"backend": "b", "model": "m"}]}
    async with pair(routes=[route]) as both:
        listed = (await both.stub.ListModels(wire.ListModelsRequest())).models
        assert {model.id: list(model.backends) for model in listed} == {"m": ["a", "b"], "only-b": ["b"]}
        assert await both.asked(model="only-b") == "b"


async def test_tokens_that_nobody_can_count_are_estimated() -> None:
    async with pair() as both:
        response = await both.stub.CountTokens(wire.CountTokensRequest(request=question("four bytes are a token")))
        assert (response.estimated, response.input_tokens, response.origin.backend) == (True, 10, "a")


async def test_a_callers_key_is_used_where_it_is_allowed() -> None:
    async with pair(a={"api_key": "ours"}, b={"caller_keys": "allowed", "api_key": "ours"}) as both:
        request = question()
        request.caller.provider_key = "theirs"
        response = await both.stub.Generate(wire.GenerateRequest(request=request))
        assert response.origin.backend == "b"
        assert both.b.requests[0].headers["authorization"] == "Bearer theirs"
        assert "theirs" not in str(both.b.requests[0].body)


async def test_a_callers_key_is_refused_where_it_is_not(double: OpenAIDouble) -> None:
    async with router_of(backend(double)) as stub:
        request = question()
        request.caller.provider_key = "theirs"
        with pytest.raises(Exception, match="take no provider key"):
            await stub.Generate(wire.GenerateRequest(request=request))
    assert not double.requests
