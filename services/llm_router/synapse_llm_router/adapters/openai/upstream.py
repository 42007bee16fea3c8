"""A backend that speaks the OpenAI wire: vLLM, llama.cpp, OpenAI, Ollama's and TGI's /v1, and their like."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from yarl import URL

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.asking import Asker
from synapse_llm_router.adapters.http_client import Exchange
from synapse_llm_router.adapters.openai.answer import read_answer
from synapse_llm_router.adapters.openai.request import CHAT_PATH, COMPLETIONS_PATH, is_legacy, request_bytes
from synapse_llm_router.adapters.openai.stream import ChunkEvents, told_at_once
from synapse_llm_router.adapters.sse import EventSplitter
from synapse_llm_router.adapters.streaming import AnswerStream
from synapse_llm_router.metrics import RETRIES
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms

_log = logging.getLogger("synapse.router")
_REFUSALS = frozenset({400, 422})
_EVENT_STREAM = "text/event-stream"
_WHOLE = "application/json"
"""What some servers answer to a stream request, for one that brings tools."""


class OpenAIUpstream:
    """A backend on the OpenAI wire at `base_url` (it ends in the version), asked by `asker`.

    With `newer_limit` it takes `max_completion_tokens` alone, as OpenAI's newer models do.
    """

    def __init__(self, asker: Asker, base_url: str, *, max_event_bytes: int, newer_limit: bool = False) -> None:
        self.name = asker.backend
        self._newer_limit = newer_limit
        self._asker = asker
        self._max_event_bytes = max_event_bytes
        self._chat = URL(base_url + CHAT_PATH)
        self._completions = URL(base_url + COMPLETIONS_PATH)
        self._models = URL(base_url + "/models")
        self._asks_usage = True

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        body = self._body(request, model, stream=False)
        async with await self._asker.post(self._url(request), body, terms) as exchange:
            answer = await self._asker.answer(exchange)
        response = GenerateResponse(origin=answer.origin)
        with failures.misreading(self.name):
            read_answer(answer.value, response.generation)
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes; raises SynapseError after the events that came before the fault."""
        async with await self._open_stream(request, model, terms) as exchange:
            if exchange.status == 200 and exchange.headers.get("content-type", "").startswith(_WHOLE):
                yield told_at_once(await self._asker.answer(exchange))
                return
            await self._asker.require_stream(exchange, _EVENT_STREAM)
            splitter = EventSplitter(max_event_bytes=self._max_event_bytes)
            events = ChunkEvents(self.name, exchange.headers)
            answer = AnswerStream(exchange, splitter, events, origin=self._asker.origin(exchange))
            while (response := await answer.next()) is not None:
                yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:  # noqa: ARG002
        """None: this wire has no way to count."""
        return None

    async def list_models(self) -> Sequence[ListedModel]:
        """The models it serves; raises ListingFailed."""
        listed = await self._asker.listing(self._models)
        try:
            return [_listed(model) for model in listed["data"]]
        except (TypeError, KeyError, AttributeError) as error:
            raise ListingFailed(f"{self.name} did not list its models") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._asker.close()

    def _body(self, request: GenerationRequest, model: str, *, stream: bool, ask_usage: bool = False) -> bytes:
        newer = self._newer_limit
        return request_bytes(request, model, self.name, stream=stream, ask_usage=ask_usage, newer_limit=newer)

    def _url(self, request: GenerationRequest) -> URL:
        return self._completions if is_legacy(request) else self._chat

    async def _open_stream(self, request: GenerationRequest, model: str, terms: Terms) -> Exchange:
        """The exchange that a stream is asked in; asks without usage where the backend refuses the option."""
        asks = self._asks_usage
        body = self._body(request, model, stream=True, ask_usage=asks)
        refused = False
        exchange = await self._asker.post(self._url(request), body, terms)
        if exchange.status in _REFUSALS and asks:
            async with exchange:
                await self._asker.refusal(exchange, naming=b"stream_options")
            refused = True
            RETRIES.labels(self.name, "stream_options").inc()
            body = self._body(request, model, stream=True, ask_usage=False)
            exchange = await self._asker.post(self._url(request), body, terms)
        if refused and exchange.status == 200:
            self._asks_usage = False
            _log.warning("the backend knows no stream_options", extra={"backend": self.name})
        return exchange


def _listed(model: Any) -> ListedModel:
    created = model.get("created")
    return ListedModel(str(model["id"]), created if isinstance(created, int) else None)
