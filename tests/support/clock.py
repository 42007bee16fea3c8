"""A clock that tests move."""

from __future__ import annotations

import time


class Clock:
    """Seconds since the epoch, standing still at the time of its making until `advance`."""

    def __init__(self, now: float | None = None) -> None:
        self._now = time.time() if now is None else now

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
