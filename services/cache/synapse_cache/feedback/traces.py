"""Which answers were served to another wording than their own: what feedback on them is about. No texts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import telemetry
from synapse_cache.model import Hit, Status
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Found
    from synapse_cache.model import Caller, Outcome, Policy, Question
    from synapse_cache.ports import TraceStore

MOST_TRACES = 50_000
"""Traces kept of one tenant, the newest; each under its request and under its wording."""
TRACE_SECONDS = 86_400.0
_MOST_HERE = 10_000
_MOST_WAITING = 5_000
_BATCH = 500
_EVERY_SECONDS = 0.1
_Ask: TypeAlias = "Callable[[str, str], Awaitable[Trace | None]]"
_log = logging.getLogger("synapse.cache.traces")


@dataclass(frozen=True, slots=True)
class Trace:
    """An entry that answered a request in another wording than its own.

    `asked` is the exact key of that wording and `entry_key` that of the entry's own; `wording` is a digest by which the
    text asked finds the trace; `tier` is where the answer lay; `traits` are what the decision saw of the pair, empty
    where it was decided in an earlier request; `at` is in seconds since the epoch.
    """

    namespace: str
    request_id: str
    asked: str
    wording: str
    entry_id: str
    entry_key: str
    tier: str
    at: float
    traits: tuple[float, ...] = ()


class Traces:
    """Follows the requests, and finds what was served: in memory, then in the store that the replicas share.

    Traces are written behind the replies; what the store does not take is known to this replica alone.
    """

    def __init__(self, store: TraceStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._here: OrderedDict[tuple[str, str], Trace] = OrderedDict()
        self._waiting: deque[tuple[str, Trace]] = deque(maxlen=_MOST_WAITING)

    def served(self, question: Question, found: Found, outcome: Outcome, _policy: Policy, caller: Caller) -> None:
        """As Follower: remember a hit whose entry answers another wording by itself."""
        hit = found.result
        if not isinstance(hit, Hit) or outcome.status is not Status.HIT or hit.entry.key == question.key:
            return
        wording = wording_of(hit.entry.id, question.prompt) if question.prompt else ""
        trace = Trace(
            found.place.namespace,
            caller.request_id,
            question.key,
            wording,
            hit.entry.id,
            hit.entry.key,
            str(hit.tier),
            self._clock(),
            _traits(hit),
        )
        self._keep(caller.tenant, caller.request_id, trace)
        if wording and (trace.traits or (caller.tenant, wording) not in self._here):
            self._keep(caller.tenant, wording, trace)
        self._waiting.append((caller.tenant, trace))

    def answered(self, *_: object) -> None:
        """As Follower: an answer fresh from a backend is one to its own wording."""

    async def find(self, tenant: str, entry_id: str, *, request_id: str, prompt: str) -> Trace | None:
        """What was served to a request, or else to a text; raises StoreUnavailable."""
        trace = await self._found(tenant, request_id, self._store.by_request) if request_id else None
        wording = trace.wording if trace is not None else wording_of(entry_id, prompt) if prompt else ""
        if not wording or (trace is not None and trace.traits):
            return trace
        first = await self._found(tenant, wording, self._store.by_wording)
        if trace is None or first is None:
            return trace or first
        return replace(trace, traits=first.traits)

    async def run(self) -> None:
        """Write traces to the store until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.drain()

    async def drain(self) -> None:
        """Write what waits; what the store does not take is let go of."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                for tenant, traces in _by_tenant(batch):
                    await self._store.note(tenant, traces)
            except StoreUnavailable as error:
                telemetry.dependency_failed("traces")
                _log.debug("traces not written", extra={"count": len(batch), "cause": str(error)})

    async def _found(self, tenant: str, name: str, ask: _Ask) -> Trace | None:
        here = self._here.get((tenant, name))
        if here is not None and here.at + TRACE_SECONDS > self._clock():
            return here
        return await ask(tenant, name)

    def _keep(self, tenant: str, name: str, trace: Trace) -> None:
        self._here[tenant, name] = trace
        self._here.move_to_end((tenant, name))
        if len(self._here) > _MOST_HERE:
            self._here.popitem(last=False)


def wording_of(entry_id: str, prompt: str) -> str:
    """The digest of a text that an entry answered."""
    return hashlib.sha256(f"{entry_id}\0{prompt.strip()}".encode("utf-8", "surrogatepass")).hexdigest()


def _by_tenant(batch: Iterable[tuple[str, Trace]]) -> Iterable[tuple[str, list[Trace]]]:
    ordered = sorted(batch, key=lambda one: one[0])
    for tenant, group in groupby(ordered, key=lambda one: one[0]):
        yield tenant, [trace for _, trace in group]


def _traits(hit: Hit) -> tuple[float, ...]:
    """What the decision saw of the entry that was served."""
    judged = hit.verdict.judged if hit.verdict is not None else ()
    return next((one.traits for one in judged if one.candidate.entry_id == hit.entry.id), ())
