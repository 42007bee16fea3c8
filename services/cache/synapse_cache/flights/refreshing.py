"""Fetching a fresh answer behind a stale one that was served."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.flights.stale import WHILE_REVALIDATING
from synapse_cache.model import Miss
from synapse_runtime.errors import SynapseError

if TYPE_CHECKING:
    from synapse_cache.flights.calls import Calls
    from synapse_cache.lookup import Found
    from synapse_cache.model import Caller, Policy, Question

_log = logging.getLogger("synapse.cache.refreshing")
_MOST_AT_ONCE = 256


class Refreshing:
    """Refreshes answers through the calls that all share, so that many who get a stale answer make one call.

    More than a few hundred at once would be a burden of their own: the next who asks tries again.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._tasks: set[asyncio.Task[None]] = set()

    def after(self, question: Question, found: Found, policy: Policy, caller: Caller) -> None:
        """Note that a stale answer was served; a caller who wants nobody asked, or nothing stored, gets just that."""
        unwanted = policy.only_if_cached or policy.no_store or policy.preview
        if unwanted or len(self._tasks) >= _MOST_AT_ONCE:
            return
        missed = replace(found, result=Miss(WHILE_REVALIDATING))
        task = asyncio.create_task(self._refresh(question, missed, policy, caller))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, seconds: float) -> None:
        """Wait for the calls under way, at most `seconds`, then leave them."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()

    async def _refresh(self, question: Question, missed: Found, policy: Policy, caller: Caller) -> None:
        trip = self._calls.depart(question, missed, policy, caller, streamed=False)
        with trip.flight.aboard():
            try:
                landed = await trip.flight.result()
            except Exception as error:  # noqa: BLE001  # a task's outer edge; the stale answer stays as it was
                telemetry.refreshed("failed")
                _log.warning(
                    "a stale answer was not refreshed",
                    extra={"key": question.key, "cause": str(error) or repr(error)},
                    exc_info=None if isinstance(error, SynapseError | TimeoutError) else error,
                )
            else:
                telemetry.refreshed("refreshed" if landed.entry is not None else "not_stored")
