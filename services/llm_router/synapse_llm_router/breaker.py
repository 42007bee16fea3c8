"""A circuit breaker: when a backend that fails is left alone, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_SLOTS = 10


class BreakerState(StrEnum):
    """Whether requests go through: all of them, none, or one at a time to try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When it opens, and for how long.

    It opens after `consecutive_failures` (0: never for that), or when the share `error_ratio` of at least
    `min_requests` (0: never for that) within `window_seconds` failed. It stays open for `cooldown_seconds`, doubling up
    to `max_cooldown_seconds` while trials fail.
    """

    consecutive_failures: int = 5
    error_ratio: float = 0.5
    min_requests: int = 20
    window_seconds: float = 30.0
    cooldown_seconds: float = 5.0
    max_cooldown_seconds: float = 60.0


class Window:
    """Counts of the last `seconds`, in tenths of it."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._width = seconds / _SLOTS
        self._clock = clock
        self._latest = 0
        self._good = [0] * _SLOTS
        self._bad = [0] * _SLOTS

    def add(self, *, failed: bool) -> None:
        """Count one."""
        slot = self._turned() % _SLOTS
        counts = self._bad if failed else self._good
        counts[slot] += 1

    def counts(self) -> tuple[int, int]:
        """All, and those that failed."""
        self._turned()
        bad = sum(self._bad)
        return bad + sum(self._good), bad

    def clear(self) -> None:
        """Forget everything."""
        self._good = [0] * _SLOTS
        self._bad = [0] * _SLOTS

    def _turned(self) -> int:
        """The present slot's number, counted from the clock's zero; what has left the window is forgotten."""
        now = int(self._clock() / self._width)
        if now != self._latest:
            for number in range(max(self._latest + 1, now - _SLOTS + 1), now + 1):
                self._good[number % _SLOTS] = self._bad[number % _SLOTS] = 0
            self._latest = now
        return now


class Breaker:
    """Counts how calls end; `begin` and one of `succeeded`, `failed` and `dropped` belong to each call."""

    def __init__(self, rules: BreakerRules, *, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._window = Window(rules.window_seconds, clock)
        self._in_a_row = 0
        self._open = False
        self._trying = False
        self._cooldown = rules.cooldown_seconds
        self.retry_at = 0.0

    @property
    def state(self) -> BreakerState:
        """Whether requests go through."""
        if not self._open:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock() < self.retry_at else BreakerState.HALF_OPEN

    @property
    def admits(self) -> bool:
        """Whether a call may begin now."""
        return not self._open or (not self._trying and self._clock() >= self.retry_at)

    @property
    def error_ratio(self) -> float:
        """Share of the calls in the window that failed, 0 to 1."""
        total, bad = self._window.counts()
        return bad / total if total else 0.0

    def begin(self) -> bool:
        """A call that `admits` allowed begins; returns whether it is a trial."""
        if not self._open:
            return False
        self._trying = True
        return True

    def succeeded(self, *, trial: bool) -> None:
        """The call was answered. Only a trial's answer closes an open breaker: others began before it opened."""
        self._window.add(failed=False)
        if trial:
            self.close()
        elif not self._open:
            self._in_a_row = 0

    def failed(self, *, trial: bool, retry_after_seconds: float = 0.0) -> bool:
        """The call failed by the backend's fault; returns whether the breaker opened for it."""
        self._window.add(failed=True)
        if self._open and not trial:
            return False
        self._in_a_row += 1
        if trial:
            self._cooldown = min(2 * self._cooldown, self._rules.max_cooldown_seconds)
        elif not self._is_enough():
            return False
        self.open(max(self._cooldown, min(retry_after_seconds, self._rules.max_cooldown_seconds)))
        return True

    def dropped(self, *, trial: bool) -> None:
        """The call ended without telling anything of the backend."""
        if trial:
            self._trying = False

    def open(self, seconds: float) -> None:
        """Let nothing through for `seconds`."""
        self._open, self._trying = True, False
        self.retry_at = self._clock() + seconds

    def close(self) -> None:
        """Let everything through, and forget the failures."""
        self._open = self._trying = False
        self._in_a_row = 0
        self._cooldown = self._rules.cooldown_seconds
        self._window.clear()

    def try_now(self) -> None:
        """End a cool-down: there is a sign of life."""
        self.retry_at = min(self.retry_at, self._clock())

    def _is_enough(self) -> bool:
        rules = self._rules
        if 0 < rules.consecutive_failures <= self._in_a_row:
            return True
        total, bad = self._window.counts()
        return 0 < rules.min_requests <= total and bad >= rules.error_ratio * total
