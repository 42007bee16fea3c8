"""Encodes a text once for everybody who asks for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from synapse_embed import metrics
from synapse_embed.errors import BadRequest, TextTooLong
from synapse_embed.model import Vector
from synapse_embed.ports import Encoder


class _Flight:
    """Texts on their way through the encoder, and how many callers wait for some of them."""

    __slots__ = ("task", "texts", "truncate", "waiting")

    def __init__(self, texts: Sequence[str], *, truncate: bool, task: asyncio.Task[dict[str, Vector]]) -> None:
        self.texts = texts
        self.truncate = truncate
        self.task = task
        self.waiting = 0


class Sharing:
    """Asks the encoder for texts that nobody asks for yet, and joins whoever asks for the others.

    A text is encoded for as long as one caller waits; `keep` is told of every vector that came.
    """

    def __init__(self, encoder: Encoder, keep: Callable[[str, Vector], None]) -> None:
        self._encoder = encoder
        self._keep = keep
        self._aboard: dict[tuple[str, bool], _Flight] = {}

    async def encode(self, texts: Sequence[str], *, truncate: bool) -> dict[str, Vector]:
        """The vectors of distinct texts; raises what Encoder does, with the index in `texts`."""
        own = [text for text in texts if (text, truncate) not in self._aboard]
        flights = {self._aboard[text, truncate] for text in texts if (text, truncate) in self._aboard}
        metrics.MISSES.inc(len(own))
        metrics.SHARED.inc(len(texts) - len(own))
        started = self._start(own, truncate=truncate) if own else None
        if started:
            flights.add(started)
        for flight in flights:
            flight.waiting += 1
        try:
            await asyncio.wait([flight.task for flight in flights])
            return await self._collect(texts, flights, started)
        finally:
            for flight in flights:
                self._leave(flight)

    async def _collect(self, texts: Sequence[str], flights: set[_Flight], started: _Flight | None) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        wanted = set(texts)
        for flight in flights:
            error = flight.task.exception()
            if error is None:
                found |= flight.task.result()
            elif flight is started or not isinstance(error, BadRequest):
                raise _placed(error, flight.texts, texts)
            else:  # a text of the others may be at fault
                mine = [text for text in flight.texts if text in wanted]
                found |= await self._alone(mine, texts, truncate=flight.truncate)
        return found

    async def _alone(self, mine: Sequence[str], texts: Sequence[str], *, truncate: bool) -> dict[str, Vector]:
        try:
            return await self._encode(mine, truncate=truncate)
        except BadRequest as error:
            raise _placed(error, mine, texts) from error

    async def _encode(self, texts: Sequence[str], *, truncate: bool) -> dict[str, Vector]:
        vectors = await self._encoder.encode(texts, truncate=truncate)
        found = dict(zip(texts, vectors, strict=True))
        for text, vector in found.items():
            self._keep(text, vector)
        return found

    def _start(self, texts: Sequence[str], *, truncate: bool) -> _Flight:
        task = asyncio.create_task(self._encode(texts, truncate=truncate))
        flight = _Flight(texts, truncate=truncate, task=task)
        for text in texts:
            self._aboard[text, truncate] = flight
        task.add_done_callback(lambda done: self._landed(flight, done))
        return flight

    def _landed(self, flight: _Flight, done: asyncio.Task[dict[str, Vector]]) -> None:
        self._forget(flight)
        if not done.cancelled():
            done.exception()  # seen, even where every caller has left

    def _leave(self, flight: _Flight) -> None:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            self._forget(flight)
            flight.task.cancel()

    def _forget(self, flight: _Flight) -> None:
        for text in flight.texts:
            if self._aboard.get((text, flight.truncate)) is flight:
                del self._aboard[text, flight.truncate]


def _placed(error: BaseException, encoded: Sequence[str], texts: Sequence[str]) -> BaseException:
    """The error with the index among `texts` of the text at fault."""
    if isinstance(error, TextTooLong):
        return error.at(texts.index(encoded[error.index]))
    return error
