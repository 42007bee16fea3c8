"""A backend with a protocol of its own, which a configured mapping describes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from urllib.parse import quote

from yarl import URL

from synapse.llm.v1.generation_pb2 import GenerationEvent
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.adapters import failures, whole
from synapse_llm_router.adapters.asking import Asker
from synapse_llm_router.adapters.custom.answer import MappedEvents, PlaceReader, found, is_said, read_json
from synapse_llm_router.adapters.custom.request import values_of
from synapse_llm_router.adapters.http_client import Exchange
from synapse_llm_router.adapters.members_json import JsonObject, text_of
from synapse_llm_router.adapters.ndjson import LineSplitter
from synapse_llm_router.adapters.prompts import Template
from synapse_llm_router.adapters.sse import EventSplitter
from synapse_llm_router.adapters.streaming import AnswerStream, Splitter
from synapse_llm_router.adapters.target import Target
from synapse_llm_router.mapping import LINE_PLACEHOLDERS, CustomMapping, StreamPlaces, filled
from synapse_llm_router.ports import ListedModel, ListingFailed, Terms
from synapse_runtime import jsontext

_MEDIA_TYPES = {"sse": ("text/event-stream",), "ndjson": ("application/",)}
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


class CustomUpstream:
    """A backend at `endpoint`, asked by `asker` as `mapping` says; prompts are made by `template`."""

    def __init__(
        self, asker: Asker, endpoint: str, mapping: CustomMapping, template: Template, *, max_event_bytes: int
    ) -> None:
        self.name = asker.backend
        self._asker = asker
        self._endpoint = endpoint
        self._mapping = mapping
        self._template = template
        self._target = Target(asker.backend, own=False)
        self._max_event_bytes = max_event_bytes

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`; raises SynapseError."""
        async with await self._post(request, model, terms, stream=False) as exchange:
            value = await self._whole(exchange)
            response = GenerateResponse(origin=self._asker.origin(exchange))
        whole.fill(response.generation, self._read(value, model))
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes, as one event if the mapping has no streams.

        Raises SynapseError after the events that came before the fault.
        """
        places = self._mapping.stream
        async with await self._post(request, model, terms, stream=places is not None) as exchange:
            origin = self._asker.origin(exchange)
            if places is None:
                event = self._read(await self._whole(exchange), model)
                yield StreamGenerateResponse(events=[event], origin=origin)
                return
            await self._asker.require_stream(exchange, *_MEDIA_TYPES[places.framing])
            reader = PlaceReader(places, self._mapping.finish_reasons, model)
            events = MappedEvents(self.name, exchange.headers, self._mapping, reader)
            answer = AnswerStream(exchange, self._splitter(places), events, origin=origin)
            while (response := await answer.next()) is not None:
                yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:  # noqa: ARG002
        """None: a mapping has no way to count."""
        return None

    async def list_models(self) -> Sequence[ListedModel]:
        """Raises ListingFailed: a mapping has no list of models."""
        raise ListingFailed(f"{self.name} has no list of models: its models must be configured")

    async def close(self) -> None:
        """Close every connection."""
        await self._asker.close()

    async def _post(self, request: GenerationRequest, model: str, terms: Terms, *, stream: bool) -> Exchange:
        mapping = self._mapping
        values = values_of(request, model, mapping, self._template, self._target)
        values = {**values, "stream": stream, "request_id": terms.request_id, "model": model}
        url = URL(self._endpoint + _written(mapping.paths[stream], values, ""), encoded=True)
        headers = {name.lower(): _written(text, values, _VISIBLE) for name, text in mapping.headers.items()}
        body = jsontext.encode(filled(mapping.body, values, _text))
        return await self._asker.post(url, body, terms, headers=headers, method=mapping.method)

    async def _whole(self, exchange: Exchange) -> Any:
        if exchange.status != 200:
            raise await self._asker.refusal(exchange)
        body = await exchange.body()
        with failures.misreading(self.name):
            value = read_json(body)
        if is_said(found(value, self._mapping.error)):
            raise failures.inside_stream(self.name, body, exchange.headers)
        return value

    def _read(self, value: Any, model: str) -> GenerationEvent:
        places = self._mapping.answer
        if found(value, places.text) is None and found(value, places.tool_calls) is None:
            raise failures.invalid(self.name, f"there is nothing at {places.text!r}")
        event = GenerationEvent()
        with failures.misreading(self.name):
            PlaceReader(places, self._mapping.finish_reasons, model).read(value, event, last=True)
        return event

    def _splitter(self, places: StreamPlaces) -> Splitter:
        kind = EventSplitter if places.framing == "sse" else LineSplitter
        return kind(max_event_bytes=self._max_event_bytes)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)


def _written(template: str, values: JsonObject, safe: str) -> str:
    """The line `template` with `values` percent-encoded but for the characters `safe`."""
    encoded = {name: quote(values[name], safe=safe) for name in LINE_PLACEHOLDERS}
    return str(filled(template, encoded, str))
