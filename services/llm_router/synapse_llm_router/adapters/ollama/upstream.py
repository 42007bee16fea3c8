"""A backend that speaks Ollama's native wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from yarl import URL

from synapse.llm.v1.generation_pb2 import GenerationEvent
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.adapters import failures, whole
from synapse_llm_router.adapters.asking import Asker
from synapse_llm_router.adapters.ndjson import LineSplitter
from synapse_llm_router.adapters.ollama.answer import LineEvents, LineReader
from synapse_llm_router.adapters.ollama.request import request_bytes
from synapse_llm_router.adapters.prompts import is_completion
from synapse_llm_router.adapters.streaming import AnswerStream
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms

_LINES = ("application/x-ndjson", "application/ndjson", "application/json")
_LATEST = ":latest"


class OllamaUpstream:
    """An Ollama server at `root_url`, asked by `asker`."""

    def __init__(self, asker: Asker, root_url: str, *, max_event_bytes: int) -> None:
        self.name = asker.backend
        self._asker = asker
        self._max_event_bytes = max_event_bytes
        api = URL(root_url.removesuffix("/api") + "/api")
        self._chat = api / "chat"
        self._completions = api / "generate"
        self._models = api / "tags"

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        body = request_bytes(request, model, self.name, stream=False)
        async with await self._asker.post(self._url(request), body, terms) as exchange:
            answer = await self._asker.answer(exchange)
        response = GenerateResponse(origin=answer.origin)
        reader = _reader(request)
        event = GenerationEvent()
        with failures.misreading(self.name):
            reader.read(answer.value, event)
        if not reader.done:
            raise failures.truncated(self.name)
        whole.fill(response.generation, event)
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes; raises SynapseError after the events that came before the fault."""
        body = request_bytes(request, model, self.name, stream=True)
        async with await self._asker.post(self._url(request), body, terms) as exchange:
            await self._asker.require_stream(exchange, *_LINES)
            splitter = LineSplitter(max_event_bytes=self._max_event_bytes)
            events = LineEvents(self.name, exchange.headers, _reader(request))
            answer = AnswerStream(exchange, splitter, events, origin=self._asker.origin(exchange))
            while (response := await answer.next()) is not None:
                yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:  # noqa: ARG002
        """None: this wire has no way to count."""
        return None

    async def list_models(self) -> Sequence[ListedModel]:
        """The models it has, those tagged "latest" also without the tag; raises ListingFailed."""
        listed = await self._asker.listing(self._models)
        try:
            models = [_listed(model) for model in listed["models"]]
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ListingFailed(f"{self.name} did not list its models") from error
        latest = [ListedModel(m.id.removesuffix(_LATEST), m.created) for m in models if m.id.endswith(_LATEST)]
        return [*models, *latest]

    async def close(self) -> None:
        """Close every connection."""
        await self._asker.close()

    def _url(self, request: GenerationRequest) -> URL:
        return self._completions if is_completion(request) else self._chat


def _reader(request: GenerationRequest) -> LineReader:
    return LineReader(completion=is_completion(request), turn=len(request.messages))


def _listed(model: Any) -> ListedModel:
    changed = Timestamp()
    if text := model.get("modified_at"):
        changed.FromJsonString(text)
    return ListedModel(str(model["name"]), changed.seconds or None)
