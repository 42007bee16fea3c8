"""What the edge itself does: keys, limits, headers, error forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import httpx
import pytest

from synapse.cache.v1 import cache_pb2
from synapse_gateway.app import run
from synapse_runtime import errors
from synapse_runtime.identity import Role
from synapse_runtime.settings import SettingsError
from tests.contract.gateway.conftest import SECRET, World, config
from tests.support.cache_double import answer, events, hit, mesh_double, message, miss

Worlds = Callable[..., AbstractAsyncContextManager[World]]


def replies(world: World, response: cache_pb2.GenerateResponse) -> None:
    async def reply(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
        return response

    world.mesh.cache.reply = reply


async def test_the_tenant_comes_from_the_key_and_from_nothing_else(world: World) -> None:
    await world.ask(
        key="sk-viewer", headers={"x-tenant-id": "acme", "x-synapse-tenant": "acme", "x-synapse-identity": "x"}
    )
    (call,) = world.mesh.cache.calls
    assert (call.identity.tenant, call.identity.subject, call.identity.role) == ("beta", "reader", Role.VIEWER)


@pytest.mark.parametrize("headers", [{"authorization": "Bearer sk-wrong"}, {"authorization": ""}, {"x-api-key": "no"}])
async def test_without_a_key_nothing_is_answered(world: World, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        for path in ("/v1/models", "/api/v1/stats", "/nowhere"):
            got = await stranger.get(path, headers=headers)
            assert got.status_code == 401
            assert got.json()["error"]["code"] == "invalid_api_key"
            assert got.headers["x-request-id"]
    assert world.mesh.cache.requests == []


async def test_an_api_key_header_works_as_well(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as client:
        assert (await client.get("/v1/models", headers={"x-api-key": "sk-viewer"})).status_code == 200


async def test_a_narrow_key_asks_and_sees_only_its_models(world: World) -> None:
    assert (await world.ask(key="sk-narrow", model="other")).status_code == 403
    assert (await world.ask(key="sk-narrow")).status_code == 200
    got = await world.http.get("/v1/models", headers={"authorization": "Bearer sk-narrow"})
    assert [model["id"] for model in got.json()["data"]] == ["small"]


async def test_a_request_id_of_the_clients_is_echoed_and_travels(world: World) -> None:
    got = await world.ask(headers={"x-request-id": "my-id.1"})
    assert got.headers["x-request-id"] == "my-id.1"
    assert world.mesh.cache.calls[0].request_id == "my-id.1"


async def test_a_request_id_that_could_break_a_header_is_replaced(world: World) -> None:
    got = await world.ask(headers={"x-request-id": "a b"})
    assert got.headers["x-request-id"].startswith("req_")


async def test_the_trace_travels(world: World) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await world.ask(headers={"traceparent": trace})
    assert world.mesh.cache.calls[0].traceparent == trace


async def test_a_hit_says_so_whole_and_streamed(world: World) -> None:
    replies(world, cache_pb2.GenerateResponse(generation=answer(), outcome=hit()))
    world.mesh.cache.script = [message(*events("x"), outcome=hit())]
    for stream in (False, True):
        got = await world.ask(stream=stream)
        assert got.headers["cache-status"] == f'synapse; hit; ttl=3412; key="{"ab" * 32}"; detail="L1"'
        assert got.headers["x-synapse-cache-status"] == "HIT-L1"
        assert got.headers["age"] == "188"
        assert "private, no-store" in got.headers["cache-control"]
        assert got.headers["openai-processing-ms"].isdigit()
        assert "chatcmpl-upstream" not in got.text


async def test_a_miss_shows_the_backends_id(world: World) -> None:
    got = await world.ask()
    assert got.json()["id"] == "chatcmpl-upstream"
    assert got.headers["cache-status"] == "synapse; fwd=miss; fwd-status=200; stored"


async def test_a_stream_has_the_headers_that_proxies_need(world: World) -> None:
    world.mesh.cache.script = [message(*events("x"), outcome=miss())]
    got = await world.ask(stream=True)
    assert got.headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in got.headers["cache-control"]
    assert got.headers["x-accel-buffering"] == "no"
    assert got.text.endswith("\n\ndata: [DONE]\n\n")


async def test_events_that_arrive_apart_go_out_apart(world: World) -> None:
    first, second, *rest = events("a", "b")
    world.mesh.cache.script = [message(first, outcome=miss()), 0.2, message(second), 0.2, message(*rest)]
    body = {"model": "small", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with world.http.stream("POST", "/v1/chat/completions", json=body) as got:
        pieces = [piece async for piece in got.aiter_raw()]
    assert pieces[0].count(b"data: ") == 1
    assert pieces[1].count(b"data: ") == 1


async def test_a_silent_stream_gets_pings(world_with: Worlds) -> None:
    async with world_with(ping_seconds=0.1) as world:
        world.mesh.cache.script = [message(*events("a")[:2], outcome=miss()), 0.5, message(*events("a")[2:])]
        got = await world.ask(stream=True)
        assert got.text.count(": ping\n\n") >= 3
        assert got.text.endswith("data: [DONE]\n\n")


async def test_controls_reach_the_cache(world: World) -> None:
    await world.ask(headers={"cache-control": "no-store", "x-synapse-namespace": "docs", "x-synapse-ttl": "60"})
    control = world.mesh.cache.requests[0].control
    assert (control.no_store, control.namespace, control.ttl.seconds) == (True, "docs", 60)


async def test_a_wrong_control_is_refused_by_name(world: World) -> None:
    got = await world.ask(headers={"x-synapse-ttl": "soon"})
    assert got.status_code == 400
    assert got.json()["error"]["param"] == "x-synapse-ttl"


async def test_only_if_cached_is_504_on_a_miss(world: World) -> None:
    world.mesh.cache.failure = errors.FailedPrecondition("not cached", reason="ONLY_IF_CACHED_MISS")
    got = await world.ask(headers={"cache-control": "only-if-cached"})
    assert got.status_code == 504


async def test_a_preview_that_misses_has_no_answer(world: World) -> None:
    replies(world, cache_pb2.GenerateResponse(outcome=miss(stored=False)))
    world.mesh.cache.script = [message(outcome=miss(stored=False))]
    for stream in (False, True):
        got = await world.ask(stream=stream, headers={"x-synapse-preview-cache": "true"})
        assert got.json()["synapse_metadata"]["cache_hit"] is False
        assert got.headers["cache-status"] == "synapse; fwd=miss"


async def test_metadata_is_in_the_body_only_when_asked_for(world: World) -> None:
    assert "synapse_metadata" not in (await world.ask()).json()
    by_header = await world.ask(headers={"x-synapse-metadata": "body"})
    by_member = await world.ask(synapse_metadata=True)
    assert by_header.json()["synapse_metadata"]["source"] == "backend"
    assert by_member.json()["synapse_metadata"]["source"] == "backend"
    assert all(not request.request.extra_json for request in world.mesh.cache.requests)


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405), ("PUT", "/v1/models", 405), ("POST", "/", 404)],
)
async def test_unknown_paths_and_methods_have_the_same_form(world: World, verb: str, path: str, status: int) -> None:
    got = await world.http.request(verb, path)
    assert got.status_code == status
    assert got.json()["error"].keys() == {"message", "type", "param", "code"}
    assert ("allow" in got.headers) == (status == 405)


async def test_a_body_too_large_is_413_whether_its_length_is_told_or_not(world_with: Worlds) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1000

    async with world_with(max_body_bytes=10_000) as world:
        for content in (b"x" * 20_000, pieces()):
            got = await world.http.post("/v1/chat/completions", content=content)
            assert (got.status_code, got.json()["error"]["code"]) == (413, "request_too_large")


async def test_the_rate_limit_is_each_keys_own(world_with: Worlds) -> None:
    async with world_with(rate_limit_rps=1, rate_limit_burst=2) as world:
        served = [await world.ask() for _ in range(3)]
        assert [got.status_code for got in served] == [200, 200, 429]
        assert served[0].headers["x-ratelimit-limit-requests"] == "2"
        assert served[2].headers["retry-after"] == "1"
        assert served[2].json()["error"]["code"] == "rate_limit_exceeded"
        assert (await world.ask(key="sk-viewer")).status_code == 200


async def test_hits_cost_no_tokens_of_the_limit(world_with: Worlds) -> None:
    async with world_with(rate_limit_tpm=12) as world:
        replies(world, cache_pb2.GenerateResponse(generation=answer(), outcome=hit()))
        assert [(await world.ask()).status_code for _ in range(3)] == [200] * 3
        replies(world, cache_pb2.GenerateResponse(generation=answer(), outcome=miss()))
        assert [(await world.ask()).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("limit", ["max_concurrent_requests", "max_concurrent_requests_per_key"])
async def test_requests_in_flight_are_bounded(world_with: Worlds, limit: str) -> None:
    async with world_with(**{limit: 1}) as world:
        world.mesh.cache.script = [message(*events("a")[:1], outcome=miss()), 0.4, message(*events("a")[1:])]
        first = asyncio.create_task(world.ask(stream=True))
        await asyncio.sleep(0.2)
        refused = await world.ask()
        assert (refused.status_code, refused.headers["retry-after-ms"]) == (429, "500")
        assert (await first).status_code == 200
        assert (await world.ask()).status_code == 200


async def test_a_dead_cache_service_is_a_prompt_503(world: World) -> None:
    await world.mesh.server.set_ready(ready=False)
    assert (await world.http.get("/ready")).status_code == 503
    async with run(config("127.0.0.1:1")) as running, httpx.AsyncClient(timeout=5) as client:
        url = f"http://127.0.0.1:{running.port}"
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        for extra in ({}, {"stream": True}):
            got = await client.post(f"{url}/v1/chat/completions", json=body | extra, headers={"x-api-key": "sk-admin"})
            assert got.status_code == 503
            assert got.headers["retry-after"] == "1"
            assert "127.0.0.1" not in got.text
        assert (await client.get(f"{url}/ready")).status_code == 503
        assert (await client.get(f"{url}/health")).status_code == 200


async def test_a_service_that_does_not_share_the_secret_is_our_fault(world: World) -> None:
    world.mesh.cache.failure = errors.Unauthenticated("forged", reason="IDENTITY_FORGED")
    assert (await world.ask()).status_code == 500


async def test_the_deadline_is_the_gateways(world_with: Worlds) -> None:
    async with world_with(request_timeout_seconds=0.2) as world:
        world.mesh.cache.script = [30.0]
        assert (await world.ask(stream=True)).status_code == 504


async def test_probes_docs_and_metrics_need_no_key(world: World) -> None:
    await world.ask()
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        for path in ("/health", "/healthz", "/ready", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert (await stranger.get(path)).status_code == 200, path
        text = (await stranger.get("/metrics")).text
    assert 'synapse_requests_total{status="200"} 1.0' in text
    assert "synapse_cache_misses_total 1.0" in text
    assert "synapse_cache_hits_total 0.0" in text
    assert 'synapse_request_duration_seconds_count{route="chat"} 1.0' in text
    assert "synapse_embedding_duration_seconds_count 0.0" in text


async def test_how_many_requests_are_served_at_once_is_told(world_with: Worlds) -> None:
    async with world_with(max_concurrent_requests=7) as world:
        told = (await world.http.get("/metrics")).text
    assert "synapse_requests_in_flight_limit 7.0" in told
    assert "synapse_requests_in_flight 0.0" in told


async def test_metrics_may_need_a_key(world_with: Worlds) -> None:
    async with world_with(metrics_public=False) as world, httpx.AsyncClient(base_url=world.url) as stranger:
        assert (await stranger.get("/metrics")).status_code == 401
        assert (await world.http.get("/metrics")).status_code == 200


async def test_embedding_times_are_counted_from_both_sources(world: World) -> None:
    await world.openai.embeddings.create(model="mini", input="a")
    told = miss()
    told.embed_latency.nanos = 5_000_000
    replies(world, cache_pb2.GenerateResponse(generation=answer(), outcome=told))
    await world.ask()
    assert "synapse_embedding_duration_seconds_count 2.0" in (await world.http.get("/metrics")).text


async def test_the_documents_name_every_endpoint(world: World) -> None:
    paths = (await world.http.get("/openapi.json")).json()["paths"]
    assert {
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/models",
        "/api/v1/stats",
        "/api/v1/cache:lookup",
    } <= paths.keys()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"input": "a"}, "model"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": ""}, "input"),
        ({"model": "m", "input": [1, 2]}, "input"),
        ({"model": "m", "input": [[1, 2]]}, "input"),
        ({"model": "m", "input": ["a", ""]}, "input[1]"),
        ({"model": "m", "input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"model": "m", "input": "a", "dimensions": 0}, "dimensions"),
    ],
)
async def test_a_wrong_embedding_request_is_refused_by_name(world: World, body: dict[str, Any], param: str) -> None:
    got = await world.http.post("/v1/embeddings", json=body)
    assert (got.status_code, got.json()["error"]["param"]) == (400, param)


async def test_embeddings_go_out_as_numbers_unless_base64_is_asked_for(world: World) -> None:
    got = await world.http.post("/v1/embeddings", json={"model": "m", "input": "ab", "dimensions": 3})
    assert got.json()["data"][0]["embedding"][:2] == [2.0, 0.0]
    assert world.mesh.embed.requests[0].dimensions == 3
    coded = await world.http.post("/v1/embeddings", json={"model": "m", "input": "ab", "encoding_format": "base64"})
    assert coded.json()["data"][0]["embedding"] == "AAAAQAAAAADNzMw9"


async def test_models_are_listed_without_a_dead_embedder(world: World) -> None:
    world.mesh.embed.failure = errors.Unavailable("loading")
    names = [model["id"] for model in (await world.http.get("/v1/models")).json()["data"]]
    assert names == ["small", "meta-llama/Llama-3-8B"]


async def test_an_open_address_without_keys_is_refused() -> None:
    with pytest.raises(SettingsError, match="without a key"):
        async with run(config("127.0.0.1:1", listen="0.0.0.0:0", keys=[])):
            pass


async def test_errors_never_hold_the_prompt(world: World) -> None:
    world.mesh.cache.failure = errors.Internal("oops")
    got = await world.ask("my secret question")
    assert "secret" not in json.dumps(got.json())


async def test_a_cache_service_that_comes_back_is_found_again() -> None:
    async def ask() -> int:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        return (await client.post("/v1/chat/completions", json=body, headers={"x-api-key": "sk-admin"})).status_code

    async with AsyncExitStack() as stack:
        first = AsyncExitStack()
        mesh = await first.enter_async_context(mesh_double(secret=SECRET))
        running = await stack.enter_async_context(run(config(mesh.target)))
        url = f"http://127.0.0.1:{running.port}"
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
        assert await ask() == 200
        await first.aclose()
        assert await ask() == 503
        await stack.enter_async_context(mesh_double(secret=SECRET, port=mesh.server.port))
        async with asyncio.timeout(5):
            while await ask() != 200:  # noqa: ASYNC110  # another server, not an event of ours
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_request_that_outlasts_the_drain_is_told_to_come_back(path: str) -> None:
    async with mesh_double(secret=SECRET) as mesh:
        mesh.cache.script = [30.0]
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "stream": True}
        async with httpx.AsyncClient(timeout=10) as client:
            async with run(config(mesh.target)) as running:
                url = f"http://127.0.0.1:{running.port}{path}"
                asking = asyncio.create_task(client.post(url, json=body, headers={"x-api-key": "sk-admin"}))
                async with asyncio.timeout(5):
                    while not mesh.cache.calls:  # noqa: ASYNC110  # what another server sees, not an event of ours
                        await asyncio.sleep(0.01)
            got = await asking
    assert got.status_code == 503
    assert got.headers["retry-after"] == "1"
    assert "shutting down" in got.json()["error"]["message"]
