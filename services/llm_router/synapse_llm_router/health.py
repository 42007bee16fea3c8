"""Health checks: whether a backend that nobody asks could serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from synapse_llm_router.backend import Backend, State
from synapse_llm_router.ports import CheckFailed

_FIRST_STARTING_SECONDS = 0.1
_STARTING_SECONDS = 2.0


class Watch:
    """Checks `backend` every `interval_seconds`, more often while it starts, and not while requests tell of it.

    `check` returns when the backend could serve, and raises CheckFailed otherwise.
    """

    def __init__(
        self,
        backend: Backend,
        check: Callable[[], Awaitable[None]],
        *,
        interval_seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.backend = backend
        self._check = check
        self._interval = interval_seconds
        self._sleep = sleep

    async def run(self) -> None:
        """Check for ever, the first time at once; of a backend that starts ever more seldom."""
        pause = _FIRST_STARTING_SECONDS
        while True:
            if not self._is_heard_of():
                await self._look()
            starting = self.backend.state is State.STARTING
            await self._sleep(min(self._interval, pause) if starting else self._interval)
            pause = min(2 * pause, _STARTING_SECONDS)

    async def _look(self) -> None:
        try:
            await self._check()
        except CheckFailed as error:
            self.backend.check_failed(str(error))
        else:
            self.backend.check_passed()

    def _is_heard_of(self) -> bool:
        backend = self.backend
        return backend.state is State.HEALTHY and backend.clock() - backend.heard_at < self._interval
