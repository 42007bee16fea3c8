"""The log of requests in memory: for tests, for one process alone, and as the measure of what the other must do."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from synapse_cache.analytics.request_log import Logged

_MOST_TENANTS = 1_000
_MOST_BATCHES = 1_000


class MemoryRequestLog:
    """RequestLogStore of the newest `most` requests of each tenant, none older than `seconds`."""

    def __init__(self, *, most: int, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._rings: OrderedDict[str, deque[tuple[int, Logged]]] = OrderedDict()
        self._batches: OrderedDict[str, None] = OrderedDict()
        self._last = 0

    async def append(self, records: Sequence[Logged], *, batch_id: str) -> None:
        """As in RequestLogStore."""
        if batch_id in self._batches:
            return
        self._batches[batch_id] = None
        if len(self._batches) > _MOST_BATCHES:
            self._batches.popitem(last=False)
        for one in records:
            self._last += 1
            self._rings.setdefault(one.tenant, deque(maxlen=self._most)).append((self._last, one))
            self._rings.move_to_end(one.tenant)
        while len(self._rings) > _MOST_TENANTS:
            self._rings.popitem(last=False)

    async def page(self, tenant: str, *, before: str, limit: int) -> list[tuple[str, Logged]]:
        """As in RequestLogStore."""
        end = int(before.partition("-")[0]) if before else self._last + 1
        oldest_at = self._clock() - self._seconds
        newest_first = reversed(self._rings.get(tenant, ()))
        found = [(f"{number}-0", one) for number, one in newest_first if number < end and one.at > oldest_at]
        return found[:limit]

    async def close(self) -> None:
        """As in RequestLogStore."""
