"""The trail of invalidations in memory: for tests, and for one process alone."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from synapse_cache.invalidation.trail import Notice, Phase, Told

_Id: TypeAlias = "tuple[int, int]"


class MemoryTrail:
    """Trail of at most `capacity` notices; replicas that share the object hear each other."""

    def __init__(self, *, capacity: int = 20_000, clock: Callable[[], float] = time.time) -> None:
        self._capacity = capacity
        self._clock = clock
        self._ids: list[_Id] = []
        self._notices: list[Notice] = []
        self._more = asyncio.Event()

    async def append(self, notice: Notice) -> str:
        """As in Trail."""
        now = (int(self._clock() * 1000), 0)
        if self._ids and self._ids[-1] >= now:
            now = (self._ids[-1][0], self._ids[-1][1] + 1)
        self._ids.append(now)
        self._notices.append(replace(notice, id=_text(now)))
        del self._ids[: -self._capacity], self._notices[: -self._capacity]
        self._more.set()
        self._more = asyncio.Event()
        return _text(now)

    async def read(self, after: str, *, wait_seconds: float) -> Told:
        """As in Trail."""
        told = self._after(after)
        if not told.notices and not told.gap and wait_seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._more.wait()
            told = self._after(after)
        return told

    async def since(self, at: float) -> Told:
        """As in Trail."""
        start = bisect_left(self._ids, (int(at * 1000), 0))
        return Told(tuple(self._notices[start:]), self._newest)

    async def done(self, tenant: str | None, *, before: str, limit: int) -> list[Notice]:
        """As in Trail."""
        end = bisect_left(self._ids, _id(before)) if before else len(self._ids)
        meant = (
            notice
            for notice in reversed(self._notices[:end])
            if notice.phase is Phase.DONE and tenant in {None, notice.order.tenant}
        )
        return [notice for notice, _ in zip(meant, range(limit), strict=False)]

    async def close(self) -> None:
        """As in Trail."""

    @property
    def _newest(self) -> str:
        return _text(self._ids[-1]) if self._ids else ""

    def _after(self, after: str) -> Told:
        if not after:
            return Told(tuple(self._notices), self._newest)
        place = _id(after)
        start = bisect_right(self._ids, place)
        if not start or self._ids[start - 1] != place:
            return Told((), self._newest, gap=True)
        return Told(tuple(self._notices[start:]), self._newest)


def _id(text: str) -> _Id:
    moment, _, number = text.partition("-")
    return int(moment), int(number or 0)


def _text(place: _Id) -> str:
    return f"{place[0]}-{place[1]}"
