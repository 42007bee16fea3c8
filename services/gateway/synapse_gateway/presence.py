"""Whether the client is still there: a reader who left ends the work for it, a waiting one gets pings."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from synapse_gateway.exchange import Exchange
from synapse_gateway.problems import Problem

CLIENT_LEFT = 499
_QUICK_SECONDS = 0.02


class Presence:
    """Watches the client while the block runs; when it leaves, the block is cancelled and ends in Problem 499.

    What is done within 20 ms is not watched: a task of its own would cost more than the work that it could save.
    With `ping`, that text is written after each `ping_seconds` of silence, once the reply has begun.
    """

    def __init__(self, exchange: Exchange, *, ping: bytes = b"", ping_seconds: float = 0.0) -> None:
        self._exchange = exchange
        self._ping = ping
        self._ping_seconds = ping_seconds
        self._last_write = 0.0
        self._left = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = loop.call_later(_QUICK_SECONDS, self._begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._left and self._task is not None and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise Problem(CLIENT_LEFT, "The client left.", fault="caller_left") from None

    def wrote(self) -> None:
        """Something was written just now."""
        self._last_write = time.monotonic()

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        self.wrote()
        while True:
            try:
                async with asyncio.timeout(self._pause()):
                    message = await self._exchange.receive()
            except TimeoutError:
                await self._ping_when_silent()
                continue
            if message["type"] == "http.disconnect":
                self._left = True
                if self._task is not None:
                    self._task.cancel()
                return

    def _pause(self) -> float | None:
        if not self._ping:
            return None
        return max(0.001, self._last_write + self._ping_seconds - time.monotonic())

    async def _ping_when_silent(self) -> None:
        if time.monotonic() - self._last_write < self._ping_seconds:
            return
        self.wrote()
        if self._exchange.status:
            await self._exchange.write(self._ping)
