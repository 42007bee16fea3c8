"""A backend that speaks Anthropic's Messages: Anthropic itself, vLLM's /v1/messages, and their like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

import orjson
from yarl import URL

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, ProviderError, StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.anthropic.answer import read_answer
from synapse_llm_router.adapters.anthropic.request import DEFAULT_MAX_TOKENS, count_bytes, headers_of, request_bytes
from synapse_llm_router.adapters.anthropic.stream import MessageEvents
from synapse_llm_router.adapters.asking import Asker
from synapse_llm_router.adapters.sse import EventSplitter
from synapse_llm_router.adapters.streaming import AnswerStream
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms
from synapse_runtime.errors import SynapseError

VERSION = "2023-06-01"
"""The version of the protocol, as the header `anthropic-version` tells it."""
_EVENT_STREAM = "text/event-stream"
_NO_SUCH_PATH = frozenset({404, 405, 501})
_PAGE = 1000
_MOST_PAGES = 100


class AnthropicUpstream:
    """A backend on Anthropic's wire at `base_url` (it ends in the version), asked by `asker`."""

    def __init__(
        self, asker: Asker, base_url: str, *, max_event_bytes: int, default_max_tokens: int = DEFAULT_MAX_TOKENS
    ) -> None:
        self.name = asker.backend
        self._asker = asker
        self._default_max_tokens = default_max_tokens
        self._max_event_bytes = max_event_bytes
        self._messages = URL(base_url + "/messages")
        self._count = URL(base_url + "/messages/count_tokens")
        self._models = URL(base_url + "/models")

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        body = self._body(request, model, stream=False)
        async with await self._asker.post(self._messages, body, terms, headers=headers_of(request)) as exchange:
            answer = await self._asker.answer(exchange)
        response = GenerateResponse(origin=answer.origin)
        with failures.misreading(self.name):
            read_answer(answer.value, response.generation)
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes; raises SynapseError after the events that came before the fault."""
        body = self._body(request, model, stream=True)
        async with await self._asker.post(self._messages, body, terms, headers=headers_of(request)) as exchange:
            await self._asker.require_stream(exchange, _EVENT_STREAM)
            splitter = EventSplitter(max_event_bytes=self._max_event_bytes)
            events = MessageEvents(self.name, exchange.headers)
            answer = AnswerStream(exchange, splitter, events, origin=self._asker.origin(exchange))
            while (response := await answer.next()) is not None:
                yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:
        """Tokens of the prompt; None where the backend has no way to count them. Raises as `generate`."""
        body = count_bytes(request, model, self.name)
        async with await self._asker.post(self._count, body, terms, headers=headers_of(request)) as exchange:
            if exchange.status in _NO_SUCH_PATH:
                _raise_if_told(await self._asker.refusal(exchange))
                return None
            answer = await self._asker.answer(exchange)
        count = answer.value.get("input_tokens") if isinstance(answer.value, dict) else None
        if not isinstance(count, int) or isinstance(count, bool):
            raise failures.invalid(self.name, "it does not tell input_tokens")
        return count

    async def list_models(self) -> Sequence[ListedModel]:
        """The models it serves, of every page; raises ListingFailed."""
        models: list[ListedModel] = []
        query = {"limit": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            listed = await self._asker.listing(self._models.with_query(query))
            try:
                models += [_listed(model) for model in listed["data"]]
                if not listed.get("has_more") or not listed["data"]:
                    return models
                query["after_id"] = str(listed.get("last_id") or listed["data"][-1]["id"])
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise ListingFailed(f"{self.name} did not list its models") from error
        raise ListingFailed(f"{self.name} lists its models on more than {_MOST_PAGES} pages")

    async def close(self) -> None:
        """Close every connection."""
        await self._asker.close()

    def _body(self, request: GenerationRequest, model: str, *, stream: bool) -> bytes:
        return request_bytes(request, model, self.name, stream=stream, default_max_tokens=self._default_max_tokens)


def _raise_if_told(error: SynapseError) -> None:
    """Raise `error` if the backend told it in the words of this wire: only a path that nobody serves is silent."""
    body = next((detail.body for detail in error.details if isinstance(detail, ProviderError)), "")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    if isinstance(told, dict) and told.get("type") == "error":
        raise error


def _listed(model: Any) -> ListedModel:
    """A model in the form of this wire, or in OpenAI's, which some backends use for their lists."""
    created: Any = model.get("created")
    if isinstance(told := model.get("created_at"), str):
        created = int(datetime.fromisoformat(told).timestamp())
    return ListedModel(str(model["id"]), created if isinstance(created, int) and created > 0 else None)
