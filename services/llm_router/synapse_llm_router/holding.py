"""What serves at the moment, and what it replaced: that ends when its last call has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Held(Generic[T]):
    thing: T
    linger_seconds: float
    calls: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    replaced: bool = False


class Holder(Generic[T]):
    """Holds what serves; a call takes hold of it at its beginning and keeps it to its end.

    `close` ends one that was replaced, once its last call has ended, or `linger_seconds` after it was replaced.
    """

    def __init__(self, first: T, close: Callable[[T], Awaitable[None]], *, linger_seconds: float) -> None:
        self._held = _Held(first, linger_seconds)
        self._close = close
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> T:
        """What serves."""
        return self._held.thing

    @property
    def ending(self) -> int:
        """How many were replaced and still have calls."""
        return len(self._ending)

    @contextmanager
    def taken(self) -> Iterator[T]:
        """What serves, not closed before the block ends (or its time is over)."""
        held = self._held
        held.calls += 1
        try:
            yield held.thing
        finally:
            held.calls -= 1
            if held.replaced and not held.calls:
                held.idle.set()

    def replace(self, new: T, *, linger_seconds: float) -> None:
        """Let `new` serve from now on."""
        old, self._held = self._held, _Held(new, linger_seconds)
        old.replaced = True
        if not old.calls:
            old.idle.set()
        task = asyncio.get_running_loop().create_task(self._end(old), name="replaced configuration")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Close what serves and whatever still lingers, at once."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._close(self._held.thing)

    async def _end(self, old: _Held[T]) -> None:
        try:
            async with asyncio.timeout(old.linger_seconds):
                await old.idle.wait()
        except TimeoutError:
            pass  # its calls are over their own bounds
        finally:
            await self._close(old.thing)
