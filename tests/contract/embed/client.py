"""A caller of the real service over a real channel."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from synapse.embed.v1 import embed_pb2, embed_pb2_grpc
from synapse_embed.app import Running, run
from synapse_embed.settings import EmbedSettings
from synapse_runtime.channel import open_channel, own_errors
from synapse_runtime.settings import MeshSettings

LOOPBACK = "127.0.0.1:0"
MESH = MeshSettings(drain_seconds=1)


class Client:
    """A caller of a running service."""

    def __init__(self, running: Running, channel: grpc.aio.Channel) -> None:
        self.running = running
        self.nothing = embed_pb2.ListModelsRequest()
        self.health: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        self.stub = embed_pb2_grpc.EmbedServiceStub(channel)

    async def embed(self, *texts: str, **options: Any) -> embed_pb2.EmbedResponse:
        with own_errors():
            response: embed_pb2.EmbedResponse = await self.stub.Embed(
                embed_pb2.EmbedRequest(inputs=texts, **options), timeout=10
            )
        return response

    async def rerank(self, query: str, *documents: str, **options: Any) -> embed_pb2.RerankResponse:
        with own_errors():
            response: embed_pb2.RerankResponse = await self.stub.Rerank(
                embed_pb2.RerankRequest(query=query, documents=documents, **options), timeout=10
            )
        return response

    async def get(self, path: str) -> tuple[int, str]:
        def fetch() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.running.http_port}{path}", timeout=5) as reply:
                    return reply.status, reply.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        return await asyncio.to_thread(fetch)


@asynccontextmanager
async def service(**values: Any) -> AsyncIterator[Client]:
    """The service with these settings, on free ports."""
    settings = EmbedSettings.model_validate({"listen": LOOPBACK, "probes": LOOPBACK, **values})
    async with run(settings, MESH) as running, open_channel(f"127.0.0.1:{running.grpc_port}", retries=False) as channel:
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield Client(running, channel)
