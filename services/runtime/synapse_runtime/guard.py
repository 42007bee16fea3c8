"""A deadline and a circuit breaker around one dependency, so that a dead one costs milliseconds, not requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

from prometheus_client import Gauge

T = TypeVar("T")
_OPEN = Gauge(
    "synapse_guard_open",
    "Guards that leave a dependency alone, or try it one call at a time, because it failed.",
    ["guard"],
)


class GuardState(StrEnum):
    """Whether the dependency is asked: always, one call at a time to try it, or not at all."""

    CLOSED = "ok"
    HALF_OPEN = "degraded"
    OPEN = "down"


class DependencyDown(Exception):
    """The dependency did not answer in time, failed, or is not asked because it failed lately."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


class Guard:
    """Runs calls to the dependency `name` within `budget_seconds`.

    After `failures_to_open` failures in a row nothing is asked for `open_seconds`, doubling up to
    `max_open_seconds` while trials fail; then one call at a time tries it. `failures` are the exception types
    that count as the dependency's fault; others pass through untouched.
    """

    def __init__(
        self,
        name: str,
        *,
        budget_seconds: float,
        failures: tuple[type[Exception], ...],
        failures_to_open: int = 5,
        open_seconds: float = 0.5,
        max_open_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.budget_seconds = budget_seconds
        self._failures: tuple[type[Exception], ...] = (*failures, TimeoutError)
        self._to_open = failures_to_open
        self._first_open = self._open_seconds = open_seconds
        self._max_open = max_open_seconds
        self._clock = clock
        self._in_a_row = 0
        self._open_until = 0.0
        self._trying = False
        self._open = _OPEN.labels(name)

    @property
    def state(self) -> GuardState:
        """Whether the dependency is asked at the moment."""
        if self._in_a_row < self._to_open:
            return GuardState.CLOSED
        return GuardState.OPEN if self._clock() < self._open_until else GuardState.HALF_OPEN

    async def call(self, work: Callable[[], Awaitable[T]], *, budget_seconds: float | None = None) -> T:
        """The result of `work()`; raises DependencyDown when it fails, is late, or is not asked."""
        state = self.state
        if state is GuardState.OPEN or (state is GuardState.HALF_OPEN and self._trying):
            raise DependencyDown(self.name, "not asked, it failed lately")
        trial = state is GuardState.HALF_OPEN
        self._trying = self._trying or trial
        try:
            async with asyncio.timeout(self.budget_seconds if budget_seconds is None else budget_seconds):
                result = await work()
        except self._failures as error:
            self._failed(trial=trial)
            raise DependencyDown(self.name, "timeout" if isinstance(error, TimeoutError) else repr(error)) from error
        finally:
            self._trying = self._trying and not trial
        self._closed()
        return result

    def _closed(self) -> None:
        if self._in_a_row >= self._to_open:
            self._open.dec()
        self._in_a_row = 0
        self._open_seconds = self._first_open

    def _failed(self, *, trial: bool) -> None:
        self._in_a_row += 1
        if self._in_a_row == self._to_open:
            self._open.inc()
        if self._in_a_row < self._to_open or (self._in_a_row > self._to_open and not trial):
            return  # the latter began before the breaker opened: it tells nothing new
        if trial:
            self._open_seconds = min(self._open_seconds * 2, self._max_open)
        self._open_until = self._clock() + self._open_seconds
