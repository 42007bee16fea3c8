"""A streamed answer as responses of the router: each has every event that has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from synapse.router.v1.router_pb2 import Origin, StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.http_client import Exchange
from synapse_llm_router.adapters.sse import EventTooLong
from synapse_runtime import jsontext
from synapse_runtime.errors import SynapseError


def event_value(data: bytes, backend: str, headers: Mapping[str, str]) -> Any:
    """The JSON value of an event; raises Malformed for what is none, SynapseError for an error object."""
    try:
        value = jsontext.load(data)
    except ValueError as error:
        raise failures.Malformed("an event of the stream is not JSON") from error
    if failures.is_error(value):
        raise failures.inside_stream(backend, data, headers)
    return value


class Splitter(Protocol):
    """Cuts a body, which comes in pieces that may break anywhere, into events (name, data)."""

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The events that `piece` completes; raises EventTooLong."""

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The events that the end of the body completes; raises EventTooLong."""


class Events(Protocol):
    """Reads the events of one answer, in order."""

    @property
    def complete(self) -> bool:
        """Whether the body may end here although no event said that it is the last."""

    def read(self, name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add what an event says to `response`; returns whether it is the last one.

        Raises SynapseError where it tells a failure, and Malformed where it is no event of the protocol.
        """


class AnswerStream:
    """The streamed answer in `exchange`.

    What is wrong with it is told only after the events before the fault have reached the caller.
    """

    def __init__(self, exchange: Exchange, splitter: Splitter, events: Events, *, origin: Origin) -> None:
        self._exchange = exchange
        self._splitter = splitter
        self._events = events
        self._backend = origin.backend
        self._untold_origin: Origin | None = origin
        self._ended = False
        self._failure: SynapseError | None = None

    async def next(self) -> StreamGenerateResponse | None:
        """The events that have arrived, with the first ones the origin; None at the answer's proper end.

        Raises SynapseError.
        """
        response = StreamGenerateResponse(origin=self._untold_origin)
        while not self._ended:
            self._take(await self._exchange.piece(), response)
            if response.events:
                self._untold_origin = None
                return response
        if self._failure is not None:
            raise self._failure
        await self._exchange.drain()
        return None

    def _take(self, piece: bytes, response: StreamGenerateResponse) -> None:
        last = False
        try:
            found = self._splitter.feed(piece) if piece else self._splitter.finish()
            last = any(self._events.read(name, data, response) for name, data in found)
        except EventTooLong as error:
            self._failure = failures.too_large(self._backend, error.limit)
        except failures.Malformed as error:
            self._failure = failures.invalid(self._backend, str(error))
        except SynapseError as error:
            self._failure = error
        else:
            if not (piece or last or self._events.complete):
                self._failure = failures.truncated(self._backend)
        self._ended = last or not piece or self._failure is not None
