"""Traces of served answers in memory: for tests, for one process alone, and as the measure of the others."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from synapse_cache.feedback.traces import MOST_TRACES, TRACE_SECONDS, Trace


class MemoryTraceStore:
    """TraceStore of one process."""

    def __init__(self, *, most: int = MOST_TRACES, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._kept: dict[str, OrderedDict[tuple[str, str], Trace]] = {}

    async def note(self, tenant: str, traces: Sequence[Trace]) -> None:
        """As in TraceStore."""
        kept = self._kept.setdefault(tenant, OrderedDict())
        for trace in traces:
            names = [("request", trace.request_id)]
            if trace.wording and (trace.traits or ("wording", trace.wording) not in kept):
                names.append(("wording", trace.wording))
            for name in names:
                kept[name] = trace
                kept.move_to_end(name)
        while len(kept) > 2 * self._most:
            kept.popitem(last=False)

    async def by_request(self, tenant: str, request_id: str) -> Trace | None:
        """As in TraceStore."""
        return self._found(tenant, ("request", request_id))

    async def by_wording(self, tenant: str, wording: str) -> Trace | None:
        """As in TraceStore."""
        return self._found(tenant, ("wording", wording))

    async def close(self) -> None:
        """As in TraceStore."""

    def _found(self, tenant: str, name: tuple[str, str]) -> Trace | None:
        trace = self._kept.get(tenant, OrderedDict()).get(name)
        return trace if trace is not None and trace.at + TRACE_SECONDS > self._clock() else None
