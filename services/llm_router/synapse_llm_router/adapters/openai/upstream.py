"""A backend that speaks the OpenAI wire: vLLM, llama.cpp, OpenAI, Ollama's and TGI's /v1, and their like."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import orjson
from yarl import URL

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, Origin, StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.http_client import Exchange, HttpClient
from synapse_llm_router.adapters.openai.answer import Malformed, read_answer
from synapse_llm_router.adapters.openai.request import CHAT_PATH, COMPLETIONS_PATH, is_legacy, request_bytes
from synapse_llm_router.adapters.openai.stream import StreamReader
from synapse_llm_router.metrics import RETRIES
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms
from synapse_runtime.errors import SynapseError

_log = logging.getLogger("synapse.router")
_REFUSALS = frozenset({400, 422})
_EVENT_STREAM = "text/event-stream"


class OpenAIUpstream:
    """A backend on the OpenAI wire at `base_url` (it ends in the version); the client belongs to it."""

    def __init__(
        self,
        name: str,
        provider: str,
        base_url: str,
        client: HttpClient,
        *,
        max_event_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._provider = provider
        self._client = client
        self._max_event_bytes = max_event_bytes
        self._clock = clock
        self._chat = URL(base_url + CHAT_PATH)
        self._completions = URL(base_url + COMPLETIONS_PATH)
        self._models = URL(base_url + "/models")
        self._asks_usage = True

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        async with await self._post(request, request_bytes(request, model, stream=False), terms) as exchange:
            if exchange.status != 200:
                raise await self._refusal(exchange)
            body = await exchange.body()
            answer = self._json(body, exchange.headers)
            response = GenerateResponse(origin=self._origin(exchange))
            try:
                read_answer(answer, response.generation)
            except Malformed as error:
                raise failures.invalid(self.name, str(error)) from error
            return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes; raises SynapseError after the events that came before the fault."""
        async with await self._open_stream(request, model, terms) as exchange:
            reader = StreamReader(self.name, exchange.headers, max_event_bytes=self._max_event_bytes)
            response = StreamGenerateResponse(origin=self._origin(exchange))
            ended = False
            while not ended:
                piece = await exchange.piece()
                if piece:
                    reader.feed(piece, response)
                else:
                    reader.finish(response)
                ended = not piece or reader.done or reader.failure is not None
                if response.events:
                    yield response
                    response = StreamGenerateResponse()
            if reader.failure is not None:
                raise reader.failure
            await exchange.drain()

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:  # noqa: ARG002
        """None: this wire has no way to count."""
        return None

    async def list_models(self) -> Sequence[ListedModel]:
        """The models it serves; raises ListingFailed."""
        try:
            async with await self._client.send("GET", self._models) as exchange:
                if exchange.status != 200:
                    raise ListingFailed(f"{self.name} answered with status {exchange.status}")
                listed = orjson.loads(await exchange.body())
            return [_listed(model) for model in listed["data"]]
        except (SynapseError, orjson.JSONDecodeError, TypeError, KeyError) as error:
            raise ListingFailed(f"{self.name} did not list its models") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def _post(self, request: GenerationRequest, body: bytes, terms: Terms) -> Exchange:
        headers = {"content-type": "application/json", "x-request-id": terms.request_id}
        if terms.traceparent:
            headers["traceparent"] = terms.traceparent
        if terms.provider_key:
            headers["authorization"] = f"Bearer {terms.provider_key}"
        url = self._completions if is_legacy(request) else self._chat
        return await self._client.send("POST", url, data=body, headers=headers, seconds_left=terms.remaining_seconds)

    async def _open_stream(self, request: GenerationRequest, model: str, terms: Terms) -> Exchange:
        """An exchange whose body is a stream of events; asks without usage where the backend refuses the option."""
        asks = self._asks_usage
        body = request_bytes(request, model, stream=True, ask_usage=asks)
        error = None
        exchange = await self._post(request, body, terms)
        if exchange.status in _REFUSALS and asks:
            async with exchange:
                error = await self._refusal(exchange, naming=b"stream_options")
            RETRIES.labels(self.name, "stream_options").inc()
            body = request_bytes(request, model, stream=True, ask_usage=False)
            exchange = await self._post(request, body, terms)
        if exchange.status == 200 and exchange.headers.get("content-type", "").startswith(_EVENT_STREAM):
            if error is not None:
                self._asks_usage = False
                _log.warning("the backend knows no stream_options", extra={"backend": self.name})
            return exchange
        async with exchange:
            raise await self._refusal(exchange)

    async def _refusal(self, exchange: Exchange, *, naming: bytes = b"") -> SynapseError:
        """The error that an answer means which is not the wanted one.

        With `naming` it is raised at once unless the answer has those bytes.
        """
        body = await exchange.beginning(failures.MAX_BODY_BYTES)
        if exchange.status == 200:
            self._json(body, exchange.headers)
            return failures.invalid(self.name, "it is not a stream of events")
        if exchange.status < 400:
            return failures.invalid(self.name, f"status {exchange.status}")
        error = failures.answered(self.name, exchange.status, body, exchange.headers, now=self._clock())
        if naming and naming not in body:
            raise error
        return error

    def _json(self, body: bytes, headers: Mapping[str, str]) -> Any:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise failures.invalid(self.name, "it is not JSON") from error
        if failures.is_error(value):
            raise failures.inside_stream(self.name, body, headers)
        return value

    def _origin(self, exchange: Exchange) -> Origin:
        headers = exchange.headers
        request_id = headers.get("x-request-id") or headers.get("request-id") or ""
        return Origin(backend=self.name, provider=self._provider, provider_request_id=request_id)


def _listed(model: Any) -> ListedModel:
    created = model.get("created")
    return ListedModel(str(model["id"]), created if isinstance(created, int) else None)
