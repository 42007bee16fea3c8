"""Control of reuse by meaning: stricter at once where an answer was wrong, looser slowly, off where the budget broke.

Each comparison moves the logarithm of the strictness: down by log 2 after a wrong answer, up by log 2 * b / (1 - b)
after a right one, at most 5 %. b is half of the share of hits that may be wrong, which is the budget by the share of
requests that are hits. Steps of that ratio cannot go up for long while more than b of the answers are wrong, whatever
the traffic does: the strictness has ends, so the steps must balance (the argument of I. Gibbs and E. Candes, Adaptive
conformal inference under distribution shift, 2021). A wrong answer also takes it down to the budget by the estimate.

Reuse goes off when the whole interval of errors lies above the budget. It goes on again after a cool-down, as strict as
can be, unless answers that would have been served meanwhile break the budget, too; after a day it goes on anyway:
nothing else would tell whether the fault is gone.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse_cache.model import Place
from synapse_cache.trust import bound
from synapse_cache.trust.evidence import LOWEST_STRICTNESS

if TYPE_CHECKING:
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.trust.evidence import Record
    from synapse_cache.trust.trust import Trust

_log = logging.getLogger("synapse.cache.trust")
_AIM = 0.5
_LARGEST_STEP = math.log(1.05)
_MOST_WRONG_HITS = 0.5
_LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class ControlRules:
    """How long reuse by meaning stays off at least once the budget broke, in seconds."""

    cooldown_seconds: float = 3_600.0


class Control:
    """Keeps every namespace's reuse by meaning within its budget of errors."""

    def __init__(
        self,
        trust: Trust,
        thresholds: ThresholdSource,
        rules: ControlRules | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trust = trust
        self._thresholds = thresholds
        self._rules = rules or ControlRules()
        self._clock = clock

    def compared(self, place: Place, *, same: bool) -> None:
        """React to an answer that was right or wrong; its audit is counted already."""
        record, max_error = self._trust.counts(place), self._thresholds.of(place.tenant).max_error
        if record.suspended_at is not None:
            return
        errors = bound.of_requests(record.recent)
        if errors.lower > max_error:
            self._trust.suspend(place, at=self._clock())
            _log.error(
                "reuse by meaning is off: the budget of errors broke",
                extra={"tenant": place.tenant, "namespace": place.namespace, "lower": round(errors.lower, 5)},
            )
            return
        strictness = stepped(record, max_error, same=same)
        if strictness != record.strictness:
            self._trust.tighten(place, strictness)

    def review(self) -> None:
        """Let reuse begin again where its time has come."""
        for home in self._trust.homes():
            place = Place(*home)
            record = self._trust.counts(place)
            if record.suspended_at is None:
                continue
            off_for = self._clock() - record.suspended_at
            max_error = self._thresholds.of(place.tenant).max_error
            broken = shadow_errors(record) > max_error and off_for < _LONGEST_SECONDS
            if off_for >= self._rules.cooldown_seconds and not broken:
                self._trust.suspend(place, at=None)
                _log.warning(
                    "reuse by meaning is on again, as strict as can be",
                    extra={"tenant": place.tenant, "namespace": place.namespace},
                )


def stepped(record: Record, max_error: float, *, same: bool) -> float:
    """The strictness after one more comparison."""
    if same:
        share = _AIM * _affordable(record, max_error)
        step = min(_LARGEST_STEP, math.log(2) * share / (1 - share))
        return min(1.0, record.strictness * math.exp(step))
    strictness = record.strictness / 2
    estimate = bound.of_requests(record.recent).estimate
    if estimate > max_error:
        strictness = min(strictness, max_error / estimate)
    return max(LOWEST_STRICTNESS, strictness)


def shadow_errors(record: Record) -> float:
    """The lower end of the share of requests answered wrongly, had the answers in the shadow been served."""
    recent = record.recent
    lower, _ = bound.interval(recent.shadows_wrong, recent.shadows)
    return lower * max(bound.hit_share(recent), bound.hit_share(record.tally))


def _affordable(record: Record, max_error: float) -> float:
    """Which share of the hits may be wrong for `max_error` of the requests to be."""
    hits = max(bound.hit_share(record.recent), bound.hit_share(record.tally))
    return _MOST_WRONG_HITS if max_error >= _MOST_WRONG_HITS * hits else max_error / hits
