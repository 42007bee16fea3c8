"""One backend as the router sees it: how busy it is, how it answers, and whether it is asked at all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from synapse_llm_router import metrics
from synapse_llm_router.breaker import Breaker, BreakerRules, BreakerState
from synapse_llm_router.faults import RESTING, Fault, in_short, is_backends_fault, is_loading, provider_error
from synapse_llm_router.ports import Upstream
from synapse_llm_router.queueing import Places
from synapse_llm_router.retries import RetryBudget, RetryRules
from synapse_runtime.errors import SynapseError

_log = logging.getLogger("synapse.router")
_NEWEST_SHARE = 0.2
_TRIED_AGAIN_SECONDS = 0.25
"""A backend that never answered is tried by single requests so often: it may be there before a health check sees it."""
CallerKeys = Literal["forbidden", "allowed", "required"]


class State(StrEnum):
    """What a backend is up to."""

    STARTING = "starting"
    HEALTHY = "healthy"
    COOLING_DOWN = "cooling_down"
    PROBING = "probing"


class MovingAverage:
    """An average in which the newest value counts a fifth."""

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, value: float) -> None:
        """Count `value`."""
        self.value = value if self.value is None else self.value + _NEWEST_SHARE * (value - self.value)


@dataclass(frozen=True, slots=True)
class Traits:
    """What the configuration says of a backend.

    `service` names whose service it is: a caller's own key for one service is never given to another. `watched` says
    whether there are health checks.
    """

    name: str
    provider: str = "custom"
    service: str = ""
    caller_keys: CallerKeys = "forbidden"
    max_in_flight: int = 0
    max_queued: int = 0
    queue_seconds: float = 10.0
    starting_retry_seconds: float = 10.0
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all backends."""

    breaker: BreakerRules = field(default_factory=BreakerRules)
    retries: RetryRules = field(default_factory=RetryRules)


class Backend:
    """One backend. `clock` tells seconds from any zero."""

    def __init__(self, traits: Traits, upstream: Upstream, rules: Rules, *, clock: Callable[[], float]) -> None:
        self.traits = traits
        self.name = traits.name
        self.upstream = upstream
        self.series = metrics.BackendSeries(traits.name)
        self.series.up.set(1)
        self.places = Places(traits.max_in_flight, max_queued=traits.max_queued, tell=self.series.queued.set)
        self.breaker = Breaker(rules.breaker, clock=clock)
        self.budget = RetryBudget(rules.retries.budget_ratio, rules.retries.budget_reserve)
        self.request_count = 0
        self.last_error = ""
        self.has_answered = False
        self.is_starting = False
        self.heard_at = float("-inf")
        self.resting_until = float("-inf")
        self.clock = clock
        self._max_rest = rules.breaker.max_cooldown_seconds
        self._rest = rules.breaker.cooldown_seconds
        self._first_token = MovingAverage()
        self._whole_answer = MovingAverage()

    @property
    def in_flight(self) -> int:
        """Requests that it answers now."""
        return self.places.in_flight

    @property
    def admits(self) -> bool:
        """Whether a request may be given to it now, as far as its failures say."""
        return self.breaker.admits

    @property
    def rests(self) -> bool:
        """Whether it asked to be left alone, and is if others can take over."""
        return self.clock() < self.resting_until

    @property
    def state(self) -> State:
        """What it is up to."""
        if not self.has_answered:
            return State.STARTING
        match self.breaker.state:
            case BreakerState.OPEN:
                return State.COOLING_DOWN
            case BreakerState.HALF_OPEN:
                return State.PROBING
        return State.COOLING_DOWN if self.rests else State.HEALTHY

    @property
    def retry_seconds(self) -> float | None:
        """Time until it is tried again while it is left alone, at least 0; None when it is not."""
        now = self.clock()
        if self.breaker.state is not BreakerState.CLOSED:
            return max(0.0, self.breaker.retry_at - now)
        return self.resting_until - now if self.rests else None

    def latency_seconds(self, *, streamed: bool) -> float | None:
        """Moving average of its time to the first token, or to a whole answer; None before the first."""
        return (self._first_token if streamed else self._whole_answer).value

    @property
    def first_latency_seconds(self) -> float | None:
        """Of streams if there were any, else of whole answers; None before the first answer."""
        return self._whole_answer.value if self._first_token.value is None else self._first_token.value

    def answered(self, seconds: float, *, streamed: bool | None, trial: bool) -> None:
        """A request was answered, or a stream began, after `seconds`; None for what is neither kind of answer."""
        if streamed is not None:
            (self._first_token if streamed else self._whole_answer).add(seconds)
        self._lives(trial=trial)

    def failed(
        self, error: SynapseError, fault: Fault, *, trial: bool, own_key: bool = False, replaceable: bool = False
    ) -> None:
        """A request failed.

        With `own_key` it had a key of the caller's, whose limits concern nobody else; `replaceable` says that others
        can take over for as long as the backend wants to be left alone.
        """
        answered = provider_error(error) is not None
        if own_key and fault in RESTING:
            self._lives(trial=trial)
            return
        self.last_error = in_short(error, fault)
        if not self.has_answered and is_loading(error, watched=self.traits.watched):
            self._seems_to_start()
        elif is_backends_fault(error, fault):
            self.has_answered |= answered
            self._counts_failure(trial=trial, seconds=error.retry_after_seconds or 0.0, cause=fault.value)
        elif answered:
            self._lives(trial=trial)
        else:
            self.breaker.dropped(trial=trial)
        asks_for_rest = error.retry_after_seconds is not None and is_backends_fault(error, fault)
        if replaceable and (fault in RESTING or asks_for_rest):
            self._rests_for(error.retry_after_seconds, fault)

    def dropped(self, *, trial: bool) -> None:
        """A request ended without telling anything of the backend."""
        self.breaker.dropped(trial=trial)

    def check_passed(self) -> None:
        """A health check was answered: a cool-down ends, requests may try it."""
        self.series.checked("ok")
        if self.has_answered:
            self.heard_at = self.clock()
            self.breaker.try_now()
        else:
            self._lives(trial=False)

    def check_failed(self, why: str) -> None:
        """A health check failed."""
        self.series.checked("failed")
        self.last_error = f"health check: {why}"
        if not self.has_answered:
            self._seems_to_start()
        elif self.breaker.state is BreakerState.CLOSED:
            self._counts_failure(trial=False, seconds=0.0, cause="health_check")

    def _lives(self, *, trial: bool) -> None:
        """It said something, if only that it will not answer this."""
        self.heard_at = self.clock()
        if trial or not self.has_answered:
            if self.is_starting:
                self.breaker.close()
            if trial or self.is_starting:
                _log.info("the backend answers", extra={"backend": self.name})
            self.has_answered, self.is_starting = True, False
            self.series.up.set(1)
        self.breaker.succeeded(trial=trial)

    def _seems_to_start(self) -> None:
        """It never answered: leave it alone until a health check or a single request finds it."""
        if not self.is_starting:
            _log.info("the backend does not answer yet", extra={"backend": self.name, "error": self.last_error})
            self.series.cooled_down("starting")
        self.is_starting = True
        self.series.up.set(0)
        self.breaker.open(min(_TRIED_AGAIN_SECONDS, self.traits.starting_retry_seconds))

    def _rests_for(self, seconds: float | None, fault: Fault) -> None:
        if not self.rests:
            self.series.cooled_down(fault.value)
        rest = min(self._rest if seconds is None else seconds, self._max_rest)
        self.resting_until = max(self.resting_until, self.clock() + rest)

    def _counts_failure(self, *, trial: bool, seconds: float, cause: str) -> None:
        if self.has_answered:
            self.is_starting = False
        if self.breaker.failed(trial=trial, retry_after_seconds=seconds):
            self.series.up.set(0)
            self.series.cooled_down(cause)
            facts = {"backend": self.name, "seconds": self.retry_seconds, "error": self.last_error}
            _log.warning("the backend failed too often and is left alone", extra=facts)
