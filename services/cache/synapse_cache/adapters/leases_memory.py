"""Leases in memory, one object for all replicas of a process: for tests, and as the measure of the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from synapse_cache.flights.leases import Lease
from synapse_cache.model import CallKey

UNSHARED_SECONDS = 1.0


@dataclass(slots=True)
class _Held:
    token: str
    until: float
    unshared: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryLeases:
    """Leases; `alone` is told."""

    def __init__(self, *, alone: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.alone = alone
        self._clock = clock
        self._held: dict[CallKey, _Held] = {}
        self._listeners: list[Callable[[str | None], object]] = []

    async def acquire(self, call: CallKey, token: str, *, seconds: float) -> Lease:
        """As in Leases."""
        held = self._of(call)
        if held is None:
            self._held[call] = _Held(token, self._clock() + seconds)
            return Lease.OWN
        if held.unshared:
            return Lease.UNSHARED
        return Lease.OWN if held.token == token else Lease.TAKEN

    async def renew(self, held: Mapping[CallKey, str], *, seconds: float) -> None:
        """As in Leases."""
        for call, token in held.items():
            known = self._of(call)
            if known is not None and known.token == token:
                known.until = self._clock() + seconds

    async def release(self, call: CallKey, token: str, *, unshared: bool = False) -> None:
        """As in Leases."""
        held = self._of(call)
        if held is None or held.token != token or held.unshared:
            return
        if unshared:
            self._held[call] = _Held("", self._clock() + UNSHARED_SECONDS, unshared=True)
        else:
            del self._held[call]
        held.changed.set()

    async def wait(self, call: CallKey, *, seconds: float) -> Lease:
        """As in Leases."""
        deadline, holder = self._clock() + seconds, self._of(call)
        while (held := self._of(call)) is holder and held is not None and not held.unshared:
            if deadline <= self._clock():
                return Lease.TAKEN
            with suppress(TimeoutError):
                async with asyncio.timeout(min(deadline, held.until) - self._clock()):
                    await held.changed.wait()
        return Lease.UNSHARED if held is not None and held.unshared else Lease.FREE

    async def flush(self, tenant: str | None) -> None:
        """As in Leases; whoever tells it hears it, too."""
        for heard in tuple(self._listeners):
            heard(tenant)

    async def run(self, flushed: Callable[[str | None], object]) -> None:
        """As in Leases."""
        self._listeners.append(flushed)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._listeners.remove(flushed)

    async def close(self) -> None:
        """As in Leases."""

    def _of(self, call: CallKey) -> _Held | None:
        held = self._held.get(call)
        if held is not None and held.until <= self._clock():
            del self._held[call]
            return None
        return held
