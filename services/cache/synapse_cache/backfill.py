"""After a hit by meaning: the exact key of the new wording leads to the entry from now on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.model import Tier
from synapse_runtime.guard import DependencyDown

if TYPE_CHECKING:
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Hit, Question

_log = logging.getLogger("synapse.cache.backfill")
_MOST_AT_ONCE = 256


class Backfill:
    """Writes aliases behind the replies; more than a few hundred at once are not worth their cost and are dropped."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._tasks: set[asyncio.Task[None]] = set()

    def after(self, question: Question, hit: Hit) -> None:
        """Note that `hit` answered `question`."""
        if hit.tier is not Tier.L2 or len(self._tasks) >= _MOST_AT_ONCE:
            return
        task = asyncio.create_task(self._write(question, hit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, *, seconds: float) -> None:
        """Wait for the aliases being written, at most `seconds`."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _write(self, question: Question, hit: Hit) -> None:
        stores = self._stores
        try:
            await stores.exact_guard.call(lambda: stores.exact.put(hit.entry, alias_keys=[question.key]))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            _log.debug("alias not written", extra={"cause": down.cause})
