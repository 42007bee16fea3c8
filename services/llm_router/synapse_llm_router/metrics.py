"""Names and labels of what the router counts, and the closed vocabulary of how a call of a backend ended."""

from __future__ import annotations

import asyncio

from prometheus_client import Counter, Gauge, Histogram

from synapse_runtime.errors import SynapseError

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
UPSTREAM_SECONDS = Histogram(
    "synapse_upstream_duration_seconds",
    "Time of a call of a backend, streams until their end.",
    ["backend", "outcome"],
    buckets=_BUCKETS,
)
FIRST_EVENT_SECONDS = Histogram(
    "synapse_upstream_first_event_seconds", "Time to the first event of a stream.", ["backend"], buckets=_BUCKETS
)
IN_FLIGHT = Gauge("synapse_upstream_in_flight", "Calls of a backend under way.", ["backend"])
RELOADS = Counter(
    "synapse_router_config_reloads_total",
    "Times that the configuration was read anew: applied, unchanged or rejected.",
    ["result"],
)
RETRIES = Counter("synapse_upstream_retries_total", "Requests sent to a backend a second time.", ["backend", "cause"])
QUEUED = Gauge("synapse_upstream_queued", "Requests that wait for a place at a backend.", ["backend"])
UP = Gauge("synapse_upstream_up", "1 while the backend is asked, 0 while it is left alone after failures.", ["backend"])
COOLDOWNS = Counter("synapse_upstream_cooldowns_total", "Times that a backend was left alone.", ["backend", "cause"])
CHECKS = Counter("synapse_upstream_checks_total", "Health checks of a backend.", ["backend", "outcome"])
QUEUE_SECONDS = Histogram(
    "synapse_router_queue_seconds", "Time that requests waited for a place at a backend.", ["outcome"], buckets=_BUCKETS
)
FAILOVERS = Counter(
    "synapse_router_failovers_total", "Requests that went on to another backend of the model.", ["backend", "cause"]
)
FALLBACKS = Counter("synapse_router_fallbacks_total", "Requests that went on to a fallback model.", ["cause"])
REFUSALS = Counter("synapse_router_refusals_total", "Requests that no backend was asked for.", ["reason"])

OK = "ok"
_BY_REASON = {
    "UPSTREAM_UNREACHABLE": "provider_unreachable",
    "UPSTREAM_TIMEOUT": "provider_timeout",
    "UPSTREAM_TRUNCATED": "provider_truncated",
    "UPSTREAM_INVALID": "provider_invalid",
    "UPSTREAM_TOO_LARGE": "provider_too_large",
    "UPSTREAM_BUSY": "policy_connections",
    "UNSUPPORTED_CONTENT": "policy_unsupported",
    "UNSUPPORTED_PARAMETER": "policy_unsupported",
}
_BY_CODE = {
    "INVALID_ARGUMENT": "caller_request",
    "FAILED_PRECONDITION": "provider_credentials",
    "NOT_FOUND": "provider_not_found",
    "RESOURCE_EXHAUSTED": "provider_limit",
    "DEADLINE_EXCEEDED": "provider_timeout",
    "UNAVAILABLE": "provider_error",
}


def outcome_of(error: BaseException) -> str:
    """The word for how a call ended in `error`."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "caller_cancelled"
    if not isinstance(error, SynapseError):
        return "synapse_internal"
    return _BY_REASON.get(error.reason) or _BY_CODE.get(error.code.name, "synapse_internal")


class BackendSeries:
    """The series of one backend; looking them up by their labels each time would cost more than counting."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._ok = UPSTREAM_SECONDS.labels(backend, OK)
        self.first_event = FIRST_EVENT_SECONDS.labels(backend)
        self.in_flight = IN_FLIGHT.labels(backend)
        self.queued = QUEUED.labels(backend)
        self.up = UP.labels(backend)

    def ended(self, error: BaseException | None, seconds: float) -> None:
        """A call ended after `seconds`, in `error` or well."""
        series = self._ok if error is None else UPSTREAM_SECONDS.labels(self._backend, outcome_of(error))
        series.observe(seconds)

    def retried(self, cause: str) -> None:
        """A request is given to it again."""
        RETRIES.labels(self._backend, cause).inc()

    def failed_over(self, cause: str) -> None:
        """A request that it failed goes on to another backend."""
        FAILOVERS.labels(self._backend, cause).inc()

    def cooled_down(self, cause: str) -> None:
        """It is left alone."""
        COOLDOWNS.labels(self._backend, cause).inc()

    def checked(self, outcome: str) -> None:
        """A health check ended: "ok" or "failed"."""
        CHECKS.labels(self._backend, outcome).inc()
