"""A streamed OpenAI answer as responses of the router: each has every event that has arrived."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.openai.answer import Malformed
from synapse_llm_router.adapters.openai.chunks import ChunkReader
from synapse_llm_router.adapters.sse import EventSplitter, EventTooLong
from synapse_runtime.errors import SynapseError

_DONE = b"[DONE]"


class StreamReader:
    """Reads the body of one streamed answer, piece by piece.

    What is wrong with it is told by `failure`, so that the events before the fault still reach the caller.
    """

    def __init__(self, backend: str, headers: Mapping[str, str], *, max_event_bytes: int) -> None:
        self._backend = backend
        self._headers = headers
        self._max_event_bytes = max_event_bytes
        self._splitter = EventSplitter(max_event_bytes=max_event_bytes)
        self._chunks = ChunkReader()
        self.done = False
        self.failure: SynapseError | None = None

    def feed(self, piece: bytes, response: StreamGenerateResponse) -> None:
        """Add the events that `piece` completes to `response`."""
        try:
            found = self._splitter.feed(piece)
        except EventTooLong:
            self.failure = failures.too_large(self._backend, self._max_event_bytes)
        else:
            self._read(found, response)

    def finish(self, response: StreamGenerateResponse) -> None:
        """The body is at its end: add the event it completes, fail unless the answer was complete."""
        self._read(self._splitter.finish(), response)
        if not (self.done or self.failure or self._chunks.finished):
            self.failure = failures.truncated(self._backend)

    def _read(self, found: list[tuple[bytes, bytes]], response: StreamGenerateResponse) -> None:
        for name, data in found:
            if data == _DONE:
                self.done = True
            else:
                self.failure = self._read_event(name, data, response)
            if self.done or self.failure:
                return

    def _read_event(self, name: bytes, data: bytes, response: StreamGenerateResponse) -> SynapseError | None:
        if name == b"error":
            return failures.inside_stream(self._backend, data, self._headers)
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            return failures.invalid(self._backend, "an event of the stream is not JSON")
        if failures.is_error(chunk):
            return failures.inside_stream(self._backend, data, self._headers)
        try:
            if not self._chunks.read(chunk, response.events.add()):
                del response.events[-1]
        except Malformed as error:
            del response.events[-1]
            return failures.invalid(self._backend, str(error))
        return None
