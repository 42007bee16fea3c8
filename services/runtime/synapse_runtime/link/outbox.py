"""What waits to be written to a stream: everything that is ready travels in one message."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

LARGEST_BATCH_BYTES = 256 * 1024
F = TypeVar("F")


class Outbox(Generic[F]):
    """Frames in the order of their writing; `size` tells a frame's bytes."""

    def __init__(self, size: Callable[[F], int]) -> None:
        self._size = size
        self._frames: deque[F] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self.waiting_bytes = 0

    def put(self, frame: F) -> None:
        """Have `frame` written with the next message."""
        self._frames.append(frame)
        self.waiting_bytes += self._size(frame)
        self._filled.set()

    def close(self) -> None:
        """Let the writer end once all is written."""
        self._closed = True
        self._filled.set()

    async def batch(self) -> list[F]:
        """The next frames, at least one and beyond it at most LARGEST_BATCH_BYTES; none at the end."""
        while not self._frames:
            if self._closed:
                return []
            self._filled.clear()
            await self._filled.wait()
        if self.waiting_bytes <= LARGEST_BATCH_BYTES:
            frames = list(self._frames)
            self._frames.clear()
            self.waiting_bytes = 0
            return frames
        return self._some()

    def _some(self) -> list[F]:
        frames, taken = [self._frames.popleft()], 0
        taken = self._size(frames[0])
        while self._frames and taken + self._size(self._frames[0]) <= LARGEST_BATCH_BYTES:
            frames.append(self._frames.popleft())
            taken += self._size(frames[-1])
        self.waiting_bytes -= taken
        return frames
