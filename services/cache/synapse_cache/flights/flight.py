"""Single-flight: concurrent equal questions share one call to the backend.

A flight is a task of its own. Those who wait for it come and go; it is cancelled when the last of them leaves, so a
leader who leaves does not harm the followers, and a call nobody waits for does not go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K")
B = TypeVar("B")
R = TypeVar("R")


class Flight(Generic[B, R]):
    """One call to the backend: the batches that have arrived so far, and its result or its error."""

    def __init__(self) -> None:
        self._batches: list[B] = []
        self._result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._readers: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._waiting = 0
        self.joined = 0

    @property
    def brings(self) -> bool:
        """Whether it has brought something to serve: a batch, or its result."""
        return bool(self._batches) or self.brought is not None

    @property
    def landed(self) -> bool:
        """Whether it ended, with a result or an error."""
        return self._result.done()

    @property
    def brought(self) -> R | None:
        """Its result, if it has landed with one."""
        if not self._result.done() or self._result.cancelled() or self._result.exception() is not None:
            return None
        return self._result.result()

    @property
    def waiting(self) -> int:
        """How many are aboard."""
        return self._waiting

    def publish(self, batch: B) -> None:
        """Hand `batch` to everybody who waits."""
        self._batches.append(batch)
        self._notify()

    async def result(self) -> R:
        """The result; raises the flight's error. To be called aboard."""
        return await asyncio.shield(self._result)

    async def batches(self) -> AsyncGenerator[list[B], None]:
        """Every batch from the beginning, those that have arrived together at once; raises the flight's error.

        To be read aboard.
        """
        seen = 0
        while True:
            if len(self._batches) > seen:
                fresh = self._batches[seen:]
                seen += len(fresh)
                yield fresh
            elif self._result.done():
                self._result.result()
                return
            else:
                await self._change()

    async def first(self) -> None:
        """Return when it has brought something, or has ended. To be called aboard."""
        while not self._batches and not self._result.done():
            await self._change()

    @contextmanager
    def aboard(self) -> Iterator[None]:
        """Wait for the flight inside this block; when the last leaves before it has landed, it is cancelled."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if self._waiting == 0 and self._task is not None and not self._result.done():
                self._result.cancel()
                self._task.cancel()

    def start(self, work: Callable[[Flight[B, R]], Awaitable[R]]) -> None:
        """Begin `work(self)` as the flight's task."""
        self._task = asyncio.create_task(self._run(work))

    async def _run(self, work: Callable[[Flight[B, R]], Awaitable[R]]) -> None:
        try:
            result = await work(self)
        except asyncio.CancelledError:
            self._result.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # handed to everybody who waits
            if not self._result.done():
                self._result.set_exception(error)
                self._result.exception()  # marked as seen: there may be nobody left to raise it to
        else:
            if not self._result.done():
                self._result.set_result(result)
        finally:
            self._notify()

    async def _change(self) -> None:
        """Wait until there is something new."""
        change = asyncio.get_running_loop().create_future()
        self._readers.append(change)
        await change

    def _notify(self) -> None:
        for change in self._readers:
            if not change.done():
                change.set_result(None)
        self._readers.clear()


class SingleFlight(Generic[K, B, R]):
    """The flights under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[K, Flight[B, R]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def waiting(self, which: Callable[[K], bool]) -> tuple[int, int]:
        """How many flights of these keys are under way, and how many wait for them."""
        known = [flight for key, flight in self._flights.items() if which(key)]
        return len(known), sum(flight.waiting for flight in known)

    def close(self, which: Callable[[K], bool]) -> int:
        """Let nobody join the flights of these keys any more; returns how many they were."""
        keys = [key for key in self._flights if which(key)]
        for key in keys:
            del self._flights[key]
        return len(keys)

    def join(self, key: K, work: Callable[[Flight[B, R]], Awaitable[R]]) -> tuple[Flight[B, R], bool]:
        """The flight of `key`, begun with `work` when there is none under way; and whether it was begun here.

        Whoever joins must go `aboard()` before the next await.
        """
        known = self._flights.get(key)
        if known is not None and not known.landed:
            known.joined += 1
            return known, False
        flight: Flight[B, R] = Flight()
        self._flights[key] = flight

        async def run(own: Flight[B, R]) -> R:
            try:
                return await work(own)
            finally:
                if self._flights.get(key) is own:
                    del self._flights[key]

        flight.start(run)
        return flight, True
