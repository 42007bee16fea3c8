"""The adapters of the backends that the settings name; the one place that knows them all."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from synapse_embed.adapters.guarded import GuardedBackend, GuardedRanker
from synapse_embed.adapters.openai import client as openai_client
from synapse_embed.adapters.openai.embeddings import OpenAIBackend
from synapse_embed.adapters.openai.rerank import OpenAIRanker
from synapse_embed.adapters.tei.backend import TeiBackend
from synapse_embed.adapters.tei.grpc import GrpcWire
from synapse_embed.adapters.tei.http import HttpWire
from synapse_embed.adapters.tei.ranker import tei_ranker
from synapse_embed.adapters.tei.wire import Wire
from synapse_embed.adapters.tokeniser import Tokeniser
from synapse_embed.ports import Backend, Ranker
from synapse_embed.settings import EmbedSettings, OpenAISettings, TeiSettings, TritonSettings
from synapse_embed.source import patiently

_GRPC = "grpc://"


def backend(settings: EmbedSettings, stack: AsyncExitStack) -> Backend:
    """The backend that encodes, closed with `stack`; raises SettingsError for a tokenizer.json that cannot be read."""
    match settings.provider:
        case "tei" if settings.tei:
            made: Backend = _tei(settings, settings.tei, stack)
        case "triton" if settings.triton:
            made = _triton(settings, settings.triton, stack)
        case "openai" if settings.openai:
            made = _openai(settings, settings.openai, stack)
        case _:
            raise ValueError(f"{settings.provider} is no backend")
    return GuardedBackend(made, call_seconds=settings.call_seconds)


async def ranker(settings: EmbedSettings, stack: AsyncExitStack) -> Ranker:
    """The ranker, closed with `stack`, once it has told what it is; raises EmbedErrors."""
    how = settings.rerank
    key = how.api_key.get_secret_value()
    if how.provider == "tei":
        wire = _wire(settings, how.endpoint.rstrip("/"), key, stack)
        ask = partial(tei_ranker, wire, model=how.model, batch_documents=how.batch_documents)
        made: Ranker = await patiently(ask, within_seconds=settings.start_seconds)
    else:
        client = openai_client.client(how.endpoint.rstrip("/"), api_key=key, headers={}, connections=settings.calls)
        stack.push_async_callback(client.close)
        made = OpenAIRanker(client, model=how.model, batch_documents=how.batch_documents)
    return GuardedRanker(made, call_seconds=settings.call_seconds)


def _tei(settings: EmbedSettings, tei: TeiSettings, stack: AsyncExitStack) -> TeiBackend:
    return TeiBackend(_wire(settings, tei.endpoint, tei.api_key.get_secret_value(), stack), tei)


def _wire(settings: EmbedSettings, endpoint: str, api_key: str, stack: AsyncExitStack) -> Wire:
    if endpoint.startswith(_GRPC):
        target = endpoint.removeprefix(_GRPC)
        wire: Wire = GrpcWire(target, api_key=api_key, call_seconds=settings.call_seconds)
    else:
        wire = HttpWire(endpoint, api_key=api_key, connections=settings.calls)
    stack.push_async_callback(wire.close)
    return wire


def _triton(settings: EmbedSettings, triton: TritonSettings, stack: AsyncExitStack) -> Backend:
    from synapse_embed.adapters.triton.backend import TritonBackend  # its library is large

    tokeniser = _tokeniser(triton.tokenizer, triton.max_tokens)
    made = TritonBackend(triton, tokeniser=tokeniser, call_seconds=settings.call_seconds)
    stack.push_async_callback(made.close)
    return made


def _openai(settings: EmbedSettings, openai: OpenAISettings, stack: AsyncExitStack) -> OpenAIBackend:
    headers = {name: value.get_secret_value() for name, value in openai.headers.items()}
    key = openai.api_key.get_secret_value()
    client = openai_client.client(openai.endpoint, api_key=key, headers=headers, connections=settings.calls)
    stack.push_async_callback(client.close)
    tokeniser = _tokeniser(openai.tokenizer, openai.max_tokens)
    return OpenAIBackend(client, openai, batch_texts=settings.batch_texts, tokeniser=tokeniser)


def _tokeniser(path: Path | None, max_tokens: int) -> Tokeniser | None:
    return Tokeniser(path, max_tokens) if path else None
