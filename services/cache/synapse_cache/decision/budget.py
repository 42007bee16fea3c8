"""How a namespace's budget of errors is spent: the bar that the errors of its recent requests allow."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

WINDOW_REQUESTS = 400
_DEVIATIONS = 1.64  # of a normal law, one-sided: 95 %
_LARGEST_PACE = 0.85
_STEEPEST = 8.0
_STEEPEST_AT_FIRST = 3.0
_FIRST_REQUESTS = 100
_HIGHEST_BAR = 0.3
_EVERY = 5


class Budget:
    """Knows for the last requests how likely their best candidate was wrong.

    A budget is a share of all requests, and most requests need none of it. The bar is the largest probability of a
    wrong answer at which those served under it would have used what the budget can bear: less than the whole, so that
    it holds with 95 % even when chance is against it, and the less the fewer requests there were. It is never below
    the budget itself nor above a few times of it, so that no single answer is a gamble.
    """

    def __init__(self) -> None:
        self._errors: deque[float | None] = deque(maxlen=WINDOW_REQUESTS)
        self._seen = 0
        self._bars: dict[float, float] = {}

    def note(self, error: float | None) -> None:
        """A request was looked up by meaning; `error` is that of its best candidate, None where there was none."""
        self._errors.append(error)
        self._seen += 1
        if self._seen % _EVERY == 0:
            self._bars.clear()

    def bar(self, max_error: float) -> float:
        """The largest probability of a wrong answer to serve now, for a budget of `max_error` of all requests."""
        known = self._bars.get(max_error)
        if known is None:
            known = self._bars[max_error] = self._bar(max_error)
        return known

    def _bar(self, max_error: float) -> float:
        steepest = _STEEPEST_AT_FIRST if self._seen < _FIRST_REQUESTS else _STEEPEST
        errors = np.sort([error for error in self._errors if error is not None])
        affordable = int(
            np.searchsorted(np.cumsum(errors), self._pace(max_error) * max_error * len(self._errors), side="right")
        )
        if affordable < len(errors):  # what equals the first that is too much is too much as well
            affordable = int(np.searchsorted(errors, errors[affordable], side="left"))
        bar = float(errors[affordable - 1]) if affordable else max_error
        return min(max(bar, max_error), steepest * max_error, max(max_error, _HIGHEST_BAR))

    def _pace(self, max_error: float) -> float:
        """Which part of the budget may be spent by expectation.

        Wrong answers that are expected to be m come out below m + 1.64 sqrt(m) in 95 of 100 cases (Poisson's law, in
        its normal form); m is chosen for that to be the budget of all requests so far.
        """
        allowed = max_error * self._seen
        if allowed <= 0:
            return 0.0
        expected = (math.sqrt(allowed + _DEVIATIONS**2 / 4) - _DEVIATIONS / 2) ** 2
        return min(_LARGEST_PACE, expected / allowed)
