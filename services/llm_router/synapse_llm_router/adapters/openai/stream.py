"""The events of a streamed OpenAI answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.asking import Answer
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.members_json import JsonObject
from synapse_llm_router.adapters.openai.chunks import ChunkReader
from synapse_llm_router.adapters.streaming import event_value

_DONE = b"[DONE]"


class ChunkEvents:
    """Reads chunks up to `[DONE]`; a body may end without it once every choice has told why it ended."""

    def __init__(self, backend: str, headers: Mapping[str, str]) -> None:
        self._backend = backend
        self._headers = headers
        self._chunks = ChunkReader()

    @property
    def complete(self) -> bool:
        """Whether every choice has ended."""
        return self._chunks.finished

    def read(self, name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add the chunk in `data` to `response`; returns whether it is the end. Raises SynapseError."""
        if data == _DONE:
            return True
        if name == b"error":
            raise failures.inside_stream(self._backend, data, self._headers)
        try:
            text = self._chunks.more_text(orjson.loads(data))
        except orjson.JSONDecodeError as error:
            raise failures.invalid(self._backend, "an event of the stream is not JSON") from error
        if text is not None:
            delta = response.events.add().deltas.add()
            delta.index, delta.content = text
            return False
        chunk = event_value(data, self._backend, self._headers)
        try:
            if not self._chunks.read(chunk, response.events.add()):
                del response.events[-1]
        except Malformed as error:
            del response.events[-1]
            raise failures.invalid(self._backend, str(error)) from error
        return False


def told_at_once(answer: Answer) -> StreamGenerateResponse:
    """The whole `answer` as the one message of a stream; raises SynapseError where it is no whole answer."""
    response = StreamGenerateResponse(origin=answer.origin)
    chunks = ChunkReader()
    try:
        chunks.read(_as_chunk(answer.value), response.events.add())
    except Malformed as error:
        raise failures.invalid(answer.origin.backend, str(error)) from error
    if not chunks.finished:
        raise failures.truncated(answer.origin.backend)
    return response


def _as_chunk(body: Any) -> JsonObject:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list):
        raise Malformed("the answer has no list of choices")
    return {**body, "choices": [_as_piece(choice) for choice in choices]}


def _as_piece(choice: Any) -> Any:
    if not isinstance(choice, dict) or "message" not in choice:
        return choice
    return {**{name: value for name, value in choice.items() if name != "message"}, "delta": choice["message"]}
