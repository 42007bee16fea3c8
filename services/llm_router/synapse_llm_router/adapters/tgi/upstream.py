"""A backend that speaks TGI's native wire: /generate and /generate_stream, which take one text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from yarl import URL

from synapse.llm.v1.generation_pb2 import GenerationEvent
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.adapters import failures, whole
from synapse_llm_router.adapters.asking import Asker
from synapse_llm_router.adapters.prompts import Prompt, Template, is_completion, prompt_of
from synapse_llm_router.adapters.sse import EventSplitter
from synapse_llm_router.adapters.streaming import AnswerStream
from synapse_llm_router.adapters.target import Target
from synapse_llm_router.adapters.tgi.answer import TokenEvents, TokenReader
from synapse_llm_router.adapters.tgi.request import asks_probabilities, request_body
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms
from synapse_runtime import jsontext

_EVENT_STREAM = "text/event-stream"
_KNOWS_NO_TOKENS = frozenset({404, 405})


class TgiUpstream:
    """A TGI server at `root_url`, asked by `asker`; conversations become prompts by `template`."""

    def __init__(self, asker: Asker, root_url: str, template: Template, *, max_event_bytes: int) -> None:
        self.name = asker.backend
        self._asker = asker
        self._template = template
        self._target = Target(asker.backend, own=False)
        self._max_event_bytes = max_event_bytes
        root = URL(root_url)
        self._generate = root / "generate"
        self._stream = root / "generate_stream"
        self._tokenize = root / "tokenize"
        self._info = root / "info"

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        prompt = self._prompt(request)
        body = jsontext.encode(request_body(request, prompt, self._target, stream=False))
        async with await self._asker.post(self._generate, body, terms) as exchange:
            answer = await self._asker.answer(exchange)
        response = GenerateResponse(origin=answer.origin)
        event = GenerationEvent()
        with failures.misreading(self.name):
            _reader(request, prompt, model).read_whole(answer.value, answer.headers, event)
        whole.fill(response.generation, event)
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes; raises SynapseError after the events that came before the fault."""
        prompt = self._prompt(request)
        body = jsontext.encode(request_body(request, prompt, self._target, stream=True))
        async with await self._asker.post(self._stream, body, terms) as exchange:
            await self._asker.require_stream(exchange, _EVENT_STREAM)
            splitter = EventSplitter(max_event_bytes=self._max_event_bytes)
            events = TokenEvents(self.name, exchange.headers, _reader(request, prompt, model))
            answer = AnswerStream(exchange, splitter, events, origin=self._asker.origin(exchange))
            while (response := await answer.next()) is not None:
                yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:  # noqa: ARG002
        """Tokens of the prompt, by its own tokenizer; None where the server has none. Raises SynapseError."""
        body = jsontext.encode({"inputs": self._prompt(request).text})
        async with await self._asker.post(self._tokenize, body, terms) as exchange:
            if exchange.status in _KNOWS_NO_TOKENS:
                return None
            answer = await self._asker.answer(exchange)
        if not isinstance(answer.value, list):
            raise failures.invalid(self.name, "it is not a list of tokens")
        return len(answer.value)

    async def list_models(self) -> Sequence[ListedModel]:
        """The one model it serves; raises ListingFailed."""
        info = await self._asker.listing(self._info)
        if not isinstance(info, dict) or not isinstance(info.get("model_id"), str):
            raise ListingFailed(f"{self.name} did not tell its model")
        return [ListedModel(info["model_id"])]

    async def close(self) -> None:
        """Close every connection."""
        await self._asker.close()

    def _prompt(self, request: GenerationRequest) -> Prompt:
        return prompt_of(request, self._template, self._target)


def _reader(request: GenerationRequest, prompt: Prompt, model: str) -> TokenReader:
    return TokenReader(
        model,
        stops=request.sampling.stop,
        ends=prompt.stops,
        completion=is_completion(request),
        probabilities=asks_probabilities(request),
    )
