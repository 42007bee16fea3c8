"""A gateway over the mesh double, and the clients that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from synapse_gateway.app import run
from synapse_runtime.settings import Config
from tests.support.cache_double import MeshDouble, mesh_double

SECRET = "mesh-secret"
KEYS = [
    {"key": "sk-admin", "tenant": "acme", "name": "root", "role": "admin"},
    {"key": "sk-viewer", "tenant": "beta", "name": "reader", "role": "viewer"},
    {"key": "sk-narrow", "tenant": "acme", "name": "narrow", "role": "operator", "models": ["small"]},
]


@dataclass
class World:
    """The double behind, the gateway's address in front, and clients with the admin's key."""

    mesh: MeshDouble
    url: str
    http: httpx.AsyncClient
    openai: Any  # AsyncOpenAI: its overloads are narrower than what is sent here

    async def ask(
        self, text: str = "hi", *, key: str = "sk-admin", headers: Any = None, **members: Any
    ) -> httpx.Response:
        """The reply to one chat request."""
        body = {"model": "small", "messages": [{"role": "user", "content": text}], **members}
        given = {"authorization": f"Bearer {key}", **(headers or {})}
        return await self.http.post("/v1/chat/completions", json=body, headers=given)


def config(target: str, **gateway: Any) -> Config:
    """Settings of a gateway whose whole mesh is at `target`."""
    mesh = {"secret": SECRET, "cache_target": target, "embed_target": target, "router_target": target}
    settings = {"listen": "127.0.0.1:0", "keys": KEYS, **gateway}
    return Config({"mesh": {**mesh, "drain_seconds": 1}, "gateway": settings}, origin="test")


@asynccontextmanager
async def open_world(**gateway: Any) -> AsyncIterator[World]:
    """A world whose gateway has these settings."""
    async with mesh_double(secret=SECRET) as mesh, run(config(mesh.target, **gateway)) as running:
        url = f"http://127.0.0.1:{running.port}"
        async with (
            httpx.AsyncClient(base_url=url, timeout=10) as http,
            AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-admin", max_retries=0) as openai,
        ):
            http.headers["authorization"] = "Bearer sk-admin"
            yield World(mesh, url, http, openai)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A gateway with the default settings."""
    async with open_world() as made:
        yield made


@pytest.fixture
def world_with() -> Callable[..., AbstractAsyncContextManager[World]]:
    """Makes a gateway with other settings."""
    return open_world
