"""The events of a streamed OpenAI answer."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.openai.answer import Malformed
from synapse_llm_router.adapters.openai.chunks import ChunkReader

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
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise failures.invalid(self._backend, "an event of the stream is not JSON") from error
        if failures.is_error(chunk):
            raise failures.inside_stream(self._backend, data, self._headers)
        try:
            if not self._chunks.read(chunk, response.events.add()):
                del response.events[-1]
        except Malformed as error:
            del response.events[-1]
            raise failures.invalid(self._backend, str(error)) from error
        return False
