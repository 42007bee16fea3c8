"""The server-sent events of a streamed answer of Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.anthropic.events import EventReader
from synapse_llm_router.adapters.failures import Malformed
from synapse_llm_router.adapters.streaming import event_value

_NOISE = frozenset({b"ping", b"[DONE]"})


class MessageEvents:
    """Reads events up to `message_stop`; a body that ends without it has broken off."""

    complete = False

    def __init__(self, backend: str, headers: Mapping[str, str]) -> None:
        self._backend = backend
        self._headers = headers
        self._reader = EventReader()

    def read(self, name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add what the event in `data` tells to `response`; returns whether it is the last.

        Raises SynapseError where it tells a failure, Malformed where it is no event of the protocol.
        """
        if name in _NOISE or data in _NOISE:
            return False
        try:
            event = orjson.loads(data)
            text = self._reader.more_text(event)
            if text is not None:
                response.events.add().deltas.add().content = text
                return False
        except ValueError as error:
            raise Malformed("an event of the stream is not JSON") from error
        if name == b"error":
            raise failures.inside_stream(self._backend, data, self._headers)
        return self._reader.read(event_value(data, self._backend, self._headers), response)
