"""Encoders over the doubles of backends, put together as the service does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from synapse_embed.adapters import build
from synapse_embed.ports import Backend, Encoder
from synapse_embed.remote import RemoteEncoder, RemoteLimits
from synapse_embed.settings import EmbedSettings
from tests.support import minilm_texts
from tests.support.openai_embeddings import embeddings_double
from tests.support.tei_server import tei_grpc, tei_http
from tests.support.triton_double import triton_double

WINDOW = minilm_texts.WINDOW


def settings(provider: str, section: dict[str, Any], **more: Any) -> EmbedSettings:
    """Settings of a backend, with calls that end soon."""
    return EmbedSettings.model_validate({"provider": provider, provider: section, "call_seconds": 5, **more})


@asynccontextmanager
async def backend_of(settings: EmbedSettings) -> AsyncIterator[Backend]:
    """The backend that the settings name."""
    async with AsyncExitStack() as stack:
        yield build.backend(settings, stack)


@asynccontextmanager
async def encoder_of(settings: EmbedSettings) -> AsyncIterator[RemoteEncoder]:
    """An encoder over the backend that the settings name."""
    limits = RemoteLimits(calls=settings.calls, batch_texts=settings.batch_texts, queue_texts=settings.queue_texts)
    async with backend_of(settings) as backend:
        doubts = backend.doubts
        yield RemoteEncoder(backend, await backend.describe(), limits, doubts=doubts)


@asynccontextmanager
async def over_a_double(kind: str) -> AsyncIterator[Encoder]:
    """An encoder over a fresh double of `kind`."""
    async with AsyncExitStack() as stack:
        match kind:
            case "tei-http":
                section = {"endpoint": (await stack.enter_async_context(tei_http())).url}
            case "tei-grpc":
                section = {"endpoint": f"grpc://{(await stack.enter_async_context(tei_grpc())).target}"}
            case "triton-texts" | "triton-tokens":
                section = await _triton(stack, tokens=kind == "triton-tokens")
            case _:
                section = await _openai(stack, counted=kind == "openai-counted")
        yield await stack.enter_async_context(encoder_of(settings(kind.partition("-")[0], section)))


async def _triton(stack: AsyncExitStack, *, tokens: bool) -> dict[str, Any]:
    double = await stack.enter_async_context(triton_double())
    if tokens:
        double.served.takes_tokens()
    section = {"endpoint": double.target, "model": "minilm", "max_tokens": WINDOW}
    return {**section, "inputs": "tokens" if tokens else "texts", "tokenizer": str(minilm_texts.tokenizer())}


async def _openai(stack: AsyncExitStack, *, counted: bool) -> dict[str, Any]:
    double = await stack.enter_async_context(embeddings_double())
    section = {"endpoint": double.url, "model": "all-minilm", "max_tokens": WINDOW}
    if not counted:
        return section
    double.served.long = "refuse"
    return {**section, "tokenizer": str(minilm_texts.tokenizer()), "encoding_format": "base64"}
