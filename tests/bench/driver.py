"""An HTTP load driver: a closed loop, whose connections ask again as soon as they were answered, or streams side by side.

It costs about 20 us CPU per request of 2 kB; a run tells how much of a core the driver used, so that a saturated driver
shows.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import httptools

from tests.bench.doors import Ask

STALL_SECONDS = 0.25
"""A longer silence inside a stream is a stall."""
_TIER = b"x-synapse-cache-status"
_STAMP = re.compile(rb"@([0-9a-f]{8,16})")
_DRAIN_SECONDS = 20.0


Moment: TypeAlias = tuple[float, float, str, str]
"""One answer in a timeline: when it ended, its latency in seconds, the kind of question, its tier or its error."""


@dataclass(slots=True)
class Tally:
    """What a run saw; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_contents: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    tiers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    events: int = 0
    stalls: int = 0
    longest_silence: float = 0.0
    wrong: int = 0
    seconds: float = 0.0

    def heard_after(self, silence: float) -> None:
        """Note the time between two events of a stream."""
        self.longest_silence = max(self.longest_silence, silence)
        self.stalls += silence > STALL_SECONDS


class _Client(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self.idle = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._ask = Ask(b"", b"", b"")
        self._asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._asking:
            self._asking = False
            self._run.failed("connection lost", self._ask, self._began)
        self._settle()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def next(self) -> None:
        """Ask, if the run goes on."""
        ask = self._run.take()
        if ask is None or self._transport is None:
            self._settle()
            return
        self._ask, self._asking = ask, True
        self._body: list[bytes] = []
        self._tier = ""
        self._first = self._last = 0.0
        self._began = time.perf_counter()
        self._transport.write(ask.raw)

    def close(self) -> None:
        """Give up; what is under way counts as an error."""
        if self._transport is not None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == _TIER:
            self._tier = value.decode()

    def on_body(self, body: bytes) -> None:
        if not self._first and self._ask.opens in body:
            self._first = time.perf_counter()
        if b"@" in body:
            now, tally = time.monotonic_ns(), self._run.tally
            tally.lags += [(now - int(stamp, 16)) / 1e9 for stamp in _STAMP.findall(body)]
            if self._last:
                tally.heard_after(now / 1e9 - self._last)
            self._last = now / 1e9
        self._body.append(body)

    def on_message_complete(self) -> None:
        ended = time.perf_counter()
        self._asking = False
        run, body = self._run, b"".join(self._body)
        status = self._parser.get_status_code()
        if status != 200:
            run.failed(f"status {status}", self._ask, self._began)
        elif self._ask.expected not in body:
            run.misled(body, self._ask, self._began)
        else:
            run.answered(ended - self._began, (self._first or ended) - self._began)
            run.note(self._ask, self._tier, self._began, ended)
            run.tally.tiers[self._tier] += 1
            run.tally.events += body.count(b"data: ")
        if run.pause_seconds:
            asyncio.get_running_loop().call_later(run.pause_seconds, self.next)
        else:
            self.next()

    def _settle(self) -> None:
        if not self.idle.done():
            self.idle.set_result(None)


class _Run:
    """The state that all connections of one run share."""

    def __init__(
        self, tally: Tally, asks: Iterator[Ask], seconds: float, *, timeline: bool = False, pause_seconds: float = 0.0
    ) -> None:
        self.pause_seconds = pause_seconds
        self.tally = tally
        self._asks = asks
        self._until = time.perf_counter() + seconds
        self._timeline = timeline

    def take(self) -> Ask | None:
        """The next request, while there is time."""
        return next(self._asks, None) if time.perf_counter() < self._until else None

    def answered(self, latency: float, first_content: float) -> None:
        """Count a right answer."""
        self.tally.latencies.append(latency)
        self.tally.first_contents.append(first_content)

    def misled(self, body: bytes, ask: Ask, began: float) -> None:
        """Count a reply without the right answer: wrong when it has another."""
        if ask.opens in body:
            self.tally.wrong += 1
            self.note(ask, "wrong answer", began, time.perf_counter())
        else:
            self.failed("no answer in the reply", ask, began)

    def failed(self, what: str, ask: Ask, began: float) -> None:
        """Count a request that got no answer."""
        self.tally.errors[what] += 1
        self.note(ask, what, began, time.perf_counter())

    def note(self, ask: Ask, what: str, began: float, ended: float) -> None:
        """Put a request into the timeline, if there is one."""
        if self._timeline:
            self.tally.timeline.append((ended, ended - began, ask.kind, what))


async def drive(
    port: int,
    asks: Iterator[Ask],
    *,
    concurrency: int,
    seconds: float,
    timeline: bool = False,
    pause_seconds: float = 0.0,
) -> Tally:
    """Ask for `seconds`, or until `asks` ends, then wait for the last answers; every request sent is counted.

    Each connection waits `pause_seconds` before it asks again.
    """
    run = _Run(Tally(), asks, seconds, timeline=timeline, pause_seconds=pause_seconds)
    clients = [await _connected(run, port) for _ in range(concurrency)]
    began = time.perf_counter()
    for client in clients:
        client.next()
    await asyncio.wait([client.idle for client in clients], timeout=seconds + _DRAIN_SECONDS)
    run.tally.seconds = time.perf_counter() - began
    await _closed(clients)
    return run.tally


async def follow(port: int, asks: Sequence[Ask], tally: Tally, *, stagger_seconds: float, seconds: float) -> None:
    """Ask each on a connection of its own, their beginnings spread over `stagger_seconds`; wait for all answers.

    An answer that has not ended `seconds` after the first question counts as an error.
    """
    loop = asyncio.get_running_loop()
    clients = [await _connected(_Run(tally, iter([ask]), seconds), port) for ask in asks]
    began = time.perf_counter()
    for position, client in enumerate(clients):
        loop.call_later(stagger_seconds * position / len(clients), client.next)
    await asyncio.wait([client.idle for client in clients], timeout=seconds)
    tally.seconds = time.perf_counter() - began
    await _closed(clients)


async def _connected(run: _Run, port: int) -> _Client:
    _, client = await asyncio.get_running_loop().create_connection(lambda: _Client(run), "127.0.0.1", port)
    return client


async def _closed(clients: Sequence[_Client]) -> None:
    for client in clients:
        client.close()
    await asyncio.sleep(0)
