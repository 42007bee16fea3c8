"""Places at a backend: how many requests it is given at once, and a bounded queue for the rest."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence


class NoPlace(Exception):
    """Every queue is full, or the wait was too long (`waited`)."""

    def __init__(self, *, waited: bool) -> None:
        super().__init__("the wait was too long" if waited else "every queue is full")
        self.waited = waited


class Places:
    """The places of one backend: `limit` requests at once (0: any number), `max_queued` waiting for one.

    `tell` is told the length of the queue whenever it may have changed.
    """

    def __init__(
        self, limit: int = 0, *, max_queued: int = 0, tell: Callable[[int], object] = lambda _length: None
    ) -> None:
        self.limit = limit
        self.max_queued = max_queued
        self.in_flight = 0
        self.tell = tell
        self.queue: OrderedDict[asyncio.Future[Places], None] = OrderedDict()

    @property
    def free(self) -> bool:
        """Whether a request may be given at once."""
        return not self.limit or self.in_flight < self.limit

    def take(self) -> None:
        """Take a free place."""
        self.in_flight += 1

    def leave(self) -> None:
        """Give a place back: the first in the queue has it."""
        self.in_flight -= 1
        while self.queue and self.free:
            waiter, _ = self.queue.popitem(last=False)
            if not waiter.done():
                self.take()
                waiter.set_result(self)


async def wait_for_place(places: Sequence[Places], *, seconds: float) -> Places:
    """Wait in all the queues that have room for the first place that gets free, and take it; raises NoPlace."""
    joined = [one for one in places if len(one.queue) < one.max_queued]
    if not joined:
        raise NoPlace(waited=False)
    waiter: asyncio.Future[Places] = asyncio.get_running_loop().create_future()
    for one in joined:
        one.queue[waiter] = None
        one.tell(len(one.queue))
    try:
        async with asyncio.timeout(seconds):
            return await waiter
    except BaseException as error:
        if waiter.done() and not waiter.cancelled():  # it was given a place and left in the same moment
            waiter.result().leave()
        if isinstance(error, TimeoutError):
            raise NoPlace(waited=True) from error
        raise
    finally:
        for one in joined:
            one.queue.pop(waiter, None)
            one.tell(len(one.queue))
