"""A cache that cannot be reached loses no request: the llm-router answers in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from synapse_gateway.app import run
from synapse_runtime.settings import Config
from tests.contract.gateway.conftest import KEYS, SECRET
from tests.support.cache_double import mesh_double

GONE = "127.0.0.1:1"
QUESTION = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}


def config(router: str, **gateway: Any) -> Config:
    mesh = {"secret": SECRET, "cache_target": GONE, "embed_target": router, "router_target": router, "drain_seconds": 1}
    return Config({"mesh": mesh, "gateway": {"listen": "127.0.0.1:0", "keys": KEYS, **gateway}}, origin="test")


@pytest.fixture
async def without_cache() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway whose cache is not there."""
    async with mesh_double(secret=SECRET) as mesh, run(config(mesh.target)) as running, client(running.port) as http:
        yield http


def client(port: int) -> httpx.AsyncClient:
    headers = {"authorization": "Bearer sk-admin"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10)


async def test_the_router_answers_and_the_reply_says_so(without_cache: httpx.AsyncClient) -> None:
    reply = await without_cache.post("/v1/chat/completions", json=QUESTION)
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"]
    told = (reply.headers["x-synapse-cache-status"], reply.headers["x-synapse-reason"])
    assert told == ("BYPASS", "cache_unreachable")


async def test_streams_go_past_the_cache_too(without_cache: httpx.AsyncClient) -> None:
    reply = await without_cache.post("/v1/chat/completions", json={**QUESTION, "stream": True})
    assert (reply.status_code, reply.headers["x-synapse-reason"]) == (200, "cache_unreachable")
    assert reply.text.rstrip().endswith("data: [DONE]")


async def test_what_only_a_cache_has_is_not_asked_of_the_router(without_cache: httpx.AsyncClient) -> None:
    reply = await without_cache.post("/v1/chat/completions", json=QUESTION, headers={"cache-control": "only-if-cached"})
    assert reply.status_code == 503
    assert (await without_cache.get("/api/v1/stats")).status_code == 503


async def test_the_gateway_stays_ready_while_the_router_is(without_cache: httpx.AsyncClient) -> None:
    assert (await without_cache.get("/ready")).status_code == 200


async def test_without_detours_it_is_a_503_with_a_time_to_retry() -> None:
    async with (
        mesh_double(secret=SECRET) as mesh,
        run(config(mesh.target, detours=False)) as running,
        client(running.port) as http,
    ):
        reply = await http.post("/v1/chat/completions", json=QUESTION)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
        assert reply.headers["retry-after"]
        assert (await http.get("/ready")).status_code == 503
