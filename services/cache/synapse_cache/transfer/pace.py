"""Work at no more than so many steps a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Pace:
    """Lets `per_second` steps begin a second, a tenth of a second's worth of them at once."""

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = 1 / per_second
        self._burst = 0.1
        self._clock = clock
        self._next = 0.0

    async def turn(self) -> None:
        """Return when the next step may begin."""
        now = self._clock()
        self._next = max(self._next, now - self._burst) + self._step
        if self._next > now:
            await asyncio.sleep(self._next - now)
