"""Repeated attempts at a backend: how long to back off before each, and how many there may be in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_JITTER = 0.5
_LATE_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class RetryRules:
    """Bounds of repeated attempts; see `router.retries` in the settings."""

    max_retries: int = 2
    base_seconds: float = 0.25
    max_seconds: float = 4.0
    max_retry_after_seconds: float = 5.0
    budget_ratio: float = 0.2
    budget_reserve: int = 10

    def delay(self, attempt: int, retry_after_seconds: float | None, *, random: Callable[[], float]) -> float | None:
        """Seconds to wait before the repeated attempt number `attempt`, from 0; None for not at all.

        What the backend asked for is kept to, and a little is added, so that not everybody comes back at once.
        """
        if attempt >= self.max_retries:
            return None
        if retry_after_seconds is not None:
            if retry_after_seconds > self.max_retry_after_seconds:
                return None
            return retry_after_seconds + _LATE_JITTER * random() * max(retry_after_seconds, self.base_seconds)
        return min(self.max_seconds, self.base_seconds * 2.0**attempt) * (1 - _JITTER * random())


class RetryBudget:
    """Keeps repeated attempts at one backend to a share of its requests, so that they cannot multiply its load.

    `reserve` attempts may be made beyond the share; it fills up again with further requests.
    """

    def __init__(self, ratio: float, reserve: int) -> None:
        self._ratio = ratio
        self._most = max(1.0, reserve)
        self._tokens = float(reserve)

    def earn(self) -> None:
        """A request was given for the first time."""
        self._tokens = min(self._most, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Take one repeated attempt; False when there is none left."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
