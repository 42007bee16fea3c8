"""Backend calls shared between replicas: one asks for all, under a lease, and the others wait for what it stores.

It is there to save calls and never to cost an answer: whatever goes wrong here, or takes too long, ends in a replica
asking by itself.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.flights.leases import Lease
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.guard import DependencyDown

if TYPE_CHECKING:
    from synapse_cache.flights.leases import Leases
    from synapse_cache.lookup import Found, Stores
    from synapse_cache.model import CallKey, Entry
    from synapse_cache.writer import Writer

_log = logging.getLogger("synapse.cache.sharing")
_RENEWALS_PER_LEASE = 3
_SPREAD_SECONDS = 0.25
_WRITTEN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class SharingRules:
    """How long a request waits for another replica's call, by how it wants its answer, and how long a lease lasts."""

    wait_seconds: float = 30.0
    stream_wait_seconds: float = 2.0
    lease_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Leading:
    """This replica asks for all: the call, the token of its lease, and whether it was another's turn before."""

    call: CallKey
    token: str
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Waited:
    """Another replica was waited for: the answer that it stored, None where it brought none that may be shared."""

    entry: Entry | None


class Sharing:
    """The leases that this replica holds, and its way to the answers of others."""

    def __init__(
        self,
        leases: Leases,
        stores: Stores,
        writer: Writer,
        rules: SharingRules,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._stores = stores
        self._writer = writer
        self._rules = rules
        self._clock = clock
        self._held: dict[CallKey, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Renew the leases held here until cancelled."""
        every = self._rules.lease_seconds / _RENEWALS_PER_LEASE
        while True:
            await asyncio.sleep(every)
            if self._held:
                held = dict(self._held)
                try:
                    await self._leases.renew(held, seconds=self._rules.lease_seconds)
                except StoreUnavailable as error:
                    telemetry.dependency_failed("leases")
                    _log.debug("leases not renewed", extra={"cause": str(error)})

    async def close(self) -> None:
        """Let go of every connection."""
        await self._leases.close()

    async def hear(self, flushed: Callable[[str | None], object]) -> None:
        """Hear what other replicas tell, until cancelled."""
        await self._leases.run(flushed)

    async def turn(self, call: CallKey, found: Found, *, streamed: bool) -> Leading | Waited | None:
        """Whose turn it is to ask a backend: this replica's for all, or for itself only (None); or it was another's.

        Where another leads, this waits for its answer, within the rules' time; a leader that dies is followed by one
        of those who wait. The caller must `let_go` what it leads.
        """
        if self._leases.alone:
            return None
        token, deadline = secrets.token_hex(8), self._clock() + self._patience(streamed=streamed)
        waited: Waited | None = None
        try:
            while True:
                lease = await self._acquire(call, token)
                if lease is Lease.OWN:
                    self._held[call] = token
                    return Leading(call, token, replaces=waited is not None)
                if lease is Lease.UNSHARED or (left := deadline - self._clock()) <= 0:
                    return waited
                lease = await self._leases.wait(call, seconds=left)
                waited = Waited(await self._answer(call, found) if lease is not Lease.TAKEN else None)
                if waited.entry is not None or lease is Lease.TAKEN:
                    return waited
                if lease is Lease.UNSHARED:  # all who waited go now, and not at once
                    await asyncio.sleep(random.uniform(0, _SPREAD_SECONDS))  # noqa: S311  # no secret
                    return waited
        except (StoreUnavailable, DependencyDown) as error:
            telemetry.dependency_failed("leases")
            _log.debug("a backend call is not shared", extra={"cause": str(error)})
            return waited

    def let_go(self, leading: Leading, entry: Entry | None, *, unshared: bool = False) -> None:
        """Free those who wait for a call led here, once `entry`, what was stored, can be found by them.

        Without one, the next of them leads; with `unshared`, each goes by himself.
        """
        written = self._writer.written(entry) if entry is not None else None
        task = asyncio.create_task(self._let_go(leading, entry, written, unshared=unshared))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def flush(self, which: Callable[[CallKey], bool]) -> None:
        """Let go of the leases of these calls: nobody elsewhere waits for them any more."""
        for call, token in tuple(self._held.items()):
            if which(call):
                self.let_go(Leading(call, token), None, unshared=True)

    async def tell_flush(self, tenant: str | None) -> None:
        """Have every other replica flush, too; raises StoreUnavailable."""
        await self._leases.flush(tenant)

    async def drain(self, *, seconds: float) -> None:
        """Wait until every lease that shall be let go is, at most `seconds`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _patience(self, *, streamed: bool) -> float:
        return self._rules.stream_wait_seconds if streamed else self._rules.wait_seconds

    async def _acquire(self, call: CallKey, token: str) -> Lease:
        guard, seconds = self._stores.exact_guard, self._rules.lease_seconds
        try:
            return await guard.call(lambda: self._leases.acquire(call, token, seconds=seconds))
        except BaseException:
            self.let_go(Leading(call, token), None)  # it may have been taken all the same
            raise

    async def _answer(self, call: CallKey, found: Found) -> Entry | None:
        """What the other replica stored: under the same key, and not there when this request was looked up."""
        stores = self._stores
        entry, _ = await stores.exact_guard.call(lambda: stores.exact.get(call.place, call.key))
        known = entry is None or entry.id == found.previous_id or entry.key != call.key
        return None if known or entry is None or not entry.belongs_to(call.place) else entry

    async def _let_go(
        self, leading: Leading, entry: Entry | None, written: asyncio.Future[None] | None, *, unshared: bool
    ) -> None:
        stores = self._stores
        try:
            if entry is not None and written is not None:
                done, _ = await asyncio.wait({written}, timeout=_WRITTEN_SECONDS)
                if not done:  # the writer is held up, maybe by the other store
                    await stores.exact_guard.call(lambda: stores.exact.put(entry))
            await stores.exact_guard.call(lambda: self._leases.release(leading.call, leading.token, unshared=unshared))
        except DependencyDown as down:  # then the lease ends by itself
            telemetry.dependency_failed("leases")
            _log.debug("a lease was not let go", extra={"cause": down.cause})
        finally:
            if written is not None:
                written.cancel()
            if self._held.get(leading.call) == leading.token:
                del self._held[leading.call]
