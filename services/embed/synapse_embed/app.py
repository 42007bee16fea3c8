"""The embed service put together; the only place that knows its concretes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from synapse.embed.v1 import embed_pb2
from synapse_embed.adapters import minilm
from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.batcher import BatchLimits, batching
from synapse_embed.embedder import Embedder, Limits
from synapse_embed.ports import LocalModel
from synapse_embed.rpc import EmbedServicer
from synapse_embed.settings import EmbedSettings
from synapse_runtime.probes import probes
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings

SERVICE = embed_pb2.DESCRIPTOR.services_by_name["EmbedService"]
_log = logging.getLogger("synapse.embed")


@dataclass
class Running:
    """A running embed service: the ports it listens on, and whether its model answers."""

    grpc_port: int
    http_port: int
    ready: bool = False

    def stop_being_ready(self) -> None:
        """Say on /ready that the service is going."""
        self.ready = False


@asynccontextmanager
async def run(settings: EmbedSettings, mesh: MeshSettings) -> AsyncIterator[Running]:
    """Serve until the block ends; the probes answer at once, gRPC when the model has answered its first text.

    Raises ModelFileError for a missing or corrupt model, OSError for an address in use, SettingsError for one that
    is not allowed.
    """
    async with AsyncExitStack() as stack:
        running = Running(grpc_port=0, http_port=0)
        running.http_port = stack.enter_context(probes(settings.probes, ready=lambda: running.ready))
        model = await asyncio.to_thread(_load, settings)
        encoder = await stack.enter_async_context(batching(model, _batch_limits(settings)))
        embedder = Embedder(encoder, _limits(settings))
        await embedder.warm_up()
        services = [Service(SERVICE, EmbedServicer(embedder))]
        server = await stack.enter_async_context(serving(settings.listen, services, mesh=mesh))
        running.grpc_port = server.port
        await server.set_ready(ready=True)
        running.ready = True
        stack.callback(running.stop_being_ready)
        _log.info("the model answers", extra={"fingerprint": embedder.card.fingerprint})
        yield running


def _load(settings: EmbedSettings) -> LocalModel:
    if settings.provider == "hashing":
        return HashingModel(max_tokens=settings.max_tokens)
    return minilm.load(model_dir=settings.model_dir, max_tokens=settings.max_tokens)


def _batch_limits(settings: EmbedSettings) -> BatchLimits:
    return BatchLimits(
        workers=settings.workers,
        batch_texts=settings.batch_texts,
        batch_tokens=settings.batch_tokens,
        queue_texts=settings.queue_texts,
    )


def _limits(settings: EmbedSettings) -> Limits:
    return Limits(
        max_inputs=settings.max_inputs,
        max_text_chars=settings.max_text_chars,
        timeout_seconds=settings.timeout_seconds,
        truncate=settings.truncate,
        kept_vectors=settings.kept_vectors,
    )
