"""The embed service put together; the only place that knows its concretes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from synapse.embed.v1 import embed_pb2
from synapse_embed.adapters import minilm
from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.batcher import BatchLimits, batching
from synapse_embed.embedder import Embedder, Limits
from synapse_embed.errors import BackendMisfit, BadRequest, EmbedError, EncoderFailed
from synapse_embed.models import Models, Present
from synapse_embed.ports import LocalModel, Ranker
from synapse_embed.ranking import RankLimits, Reranker, SimilarityRanker
from synapse_embed.remote import RemoteLimits
from synapse_embed.rpc import EmbedServicer
from synapse_embed.settings import EmbedSettings, ModelSettings
from synapse_embed.source import Source
from synapse_runtime.background import background
from synapse_runtime.probes import probes
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings, SettingsError

SERVICE = embed_pb2.DESCRIPTOR.services_by_name["EmbedService"]
_LOOK_SECONDS = 10.0
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

    Raises ModelFileError for a missing or corrupt model, OSError for an address in use or a backend that is not
    there in time, SettingsError for an address that is not allowed or a backend that is not as the settings say.
    """
    async with AsyncExitStack() as stack:
        running = Running(grpc_port=0, http_port=0)
        running.http_port = stack.enter_context(probes(settings.probes, ready=lambda: running.ready))
        with _ends_the_start():
            embedder, source = await _embedder(settings, stack)
            others = [await _further(settings, other, stack) for other in settings.others]
            ranker = await _ranker(settings, embedder, stack)
        services = [Service(SERVICE, EmbedServicer(Models(embedder, others), Reranker(ranker, _rank_limits(settings))))]
        server = await stack.enter_async_context(serving(settings.listen, services, mesh=mesh))
        running.grpc_port = server.port

        async def tell(ready: bool) -> None:  # noqa: FBT001  # a setter
            if ready != running.ready:
                await server.set_ready(ready=ready)
                running.ready = ready

        await tell(True)
        stack.callback(running.stop_being_ready)
        _log.info("the model answers", extra={"fingerprint": embedder().card.fingerprint})
        if source is not None:
            watch = partial(source.watch, every_seconds=settings.check_seconds, tell=tell)
            await stack.enter_async_context(background(embedding_backend=watch))
        yield running


async def _embedder(settings: EmbedSettings, stack: AsyncExitStack) -> tuple[Callable[[], Embedder], Source | None]:
    """What gives the embedder of the moment, and the backend that it comes from, if any."""
    if settings.provider in {"bundled", "hashing"}:
        model = await asyncio.to_thread(_load, settings)
        encoder = await stack.enter_async_context(batching(model, _batch_limits(settings)))
        embedder = Embedder(encoder, _limits(settings))
        await embedder.warm_up()
        return lambda: embedder, None
    source = _source(settings, stack)
    await source.connect(within_seconds=settings.start_seconds)
    return lambda: source.embedder, source


async def _further(settings: EmbedSettings, model: ModelSettings, stack: AsyncExitStack) -> Present:
    """A further model; a backend is waited for behind the service."""
    own = settings.model_copy(update={name: getattr(model, name) for name in ModelSettings.model_fields})
    if own.provider in {"bundled", "hashing"}:
        return (await _embedder(own, stack))[0]
    source = _source(own, stack, measured=False)

    async def unheard(_ready: bool) -> None:  # noqa: FBT001  # as `tell`
        """Whether the service is ready is told of the first model."""

    async def follow() -> None:
        with suppress(EmbedError):  # which the watch tells of, when it goes on
            await source.connect(within_seconds=0)
        await source.watch(every_seconds=own.check_seconds or _LOOK_SECONDS, tell=unheard)

    await stack.enter_async_context(background(further_embedding_backend=follow))
    return lambda: source.embedder


def _source(settings: EmbedSettings, stack: AsyncExitStack, *, measured: bool = True) -> Source:
    from synapse_embed.adapters import build  # its libraries cost memory that the bundled model does without

    limits = RemoteLimits(calls=settings.calls, batch_texts=settings.batch_texts, queue_texts=settings.queue_texts)
    make = partial(Embedder, limits=_limits(settings))
    backend = build.backend(settings, stack)
    return Source(backend, limits, make, dimension=settings.dimension, measured=measured)


async def _ranker(settings: EmbedSettings, embedder: Callable[[], Embedder], stack: AsyncExitStack) -> Ranker:
    if settings.rerank.provider == "similarity":
        return SimilarityRanker(embedder)
    from synapse_embed.adapters import build

    return await build.ranker(settings, stack)


@contextmanager
def _ends_the_start() -> Iterator[None]:
    """Turn what is wrong with a backend inside the block into what ends the process with a line that says so."""
    try:
        yield
    except (BackendMisfit, EncoderFailed, BadRequest) as error:
        raise SettingsError(error.message) from error
    except EmbedError as error:
        raise ConnectionError(error.message) from error


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


def _rank_limits(settings: EmbedSettings) -> RankLimits:
    return RankLimits(
        max_documents=settings.rerank.max_documents,
        max_text_chars=settings.max_text_chars,
        timeout_seconds=settings.timeout_seconds,
        truncate=settings.truncate,
    )


def _limits(settings: EmbedSettings) -> Limits:
    return Limits(
        max_inputs=settings.max_inputs,
        max_text_chars=settings.max_text_chars,
        timeout_seconds=settings.timeout_seconds,
        truncate=settings.truncate,
        kept_vectors=settings.kept_vectors,
    )
