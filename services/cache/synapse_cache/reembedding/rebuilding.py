"""Building the vectors of another model on one replica: walk after walk, until one has missed nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.carrying import Walk

if TYPE_CHECKING:
    from synapse_cache.ports import ExactStore
    from synapse_cache.reembedding.carrying import Carrying
    from synapse_cache.transfer.pace import Pace

_log = logging.getLogger("synapse.cache.migration")
_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.1


class Rebuilding:
    """The walks, and what is known of the last one.

    A walk has missed nothing if all who write wrote to both spaces from before its beginning until after its end:
    `lapses` tells how often each of them failed to, None while one does not write to both, and `heard` counts how often
    that was learnt anew.
    """

    def __init__(
        self,
        exact: ExactStore,
        pace: Pace,
        *,
        lapses: Callable[[], Mapping[str, int] | None],
        heard: Callable[[], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._exact = exact
        self._pace = pace
        self._lapses = lapses
        self._heard = heard
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._walk: Walk | None = None
        self._built: Mapping[str, int] | None = None
        self.trouble = ""

    @property
    def is_built(self) -> bool:
        """Whether a walk has missed nothing, and nothing was missed since."""
        return self._built is not None and self._built == self._lapses()

    @property
    def counted(self) -> tuple[int, int]:
        """How many entries are done, and of how many, -1 before that is known."""
        return (0, -1) if self._walk is None else (self._walk.done, self._walk.total)

    def go_on(self, carrying: Carrying, *, failed: Callable[[str], None]) -> None:
        """Walk beside what else is done, unless that is so already or nothing is missing; `failed` hears of faults."""
        if not self.is_built and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(carrying, failed), name="reembedding")

    def stop(self) -> None:
        """Walk no further."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def forget(self) -> None:
        """Begin anew, for another plan."""
        self.stop()
        self._walk, self._built, self.trouble = None, None, ""

    async def _run(self, carrying: Carrying, failed: Callable[[str], None]) -> None:
        try:
            while not await self._walked(carrying):  # noqa: ASYNC110  # each look is a walk
                await asyncio.sleep(_AGAIN_SECONDS)
        except Exception as error:  # noqa: BLE001  # a task's outer edge
            _log.exception("re-embedding failed")
            failed(repr(error))

    async def _walked(self, carrying: Carrying) -> bool:
        before = self._lapses()
        if before is None:
            self.trouble = "not every replica has opened the new vectors yet"
            return False
        walk = self._walk = Walk(carrying, self._exact, self._pace, clock=self._clock)
        try:
            await walk.run()
        except StoreUnavailable as error:
            self.trouble = str(error)
            _log.warning("re-embedding waits", extra={"cause": str(error)})
            return False
        self.trouble = ""
        heard = self._heard()
        while self._heard() < heard + 2:  # noqa: ASYNC110  # what was learnt before the walk ended is not enough
            await asyncio.sleep(_LOOK_SECONDS)
        self._built = before
        return self.is_built
