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

OK = "ok"
_BY_REASON = {
    "UPSTREAM_UNREACHABLE": "provider_unreachable",
    "UPSTREAM_TIMEOUT": "provider_timeout",
    "UPSTREAM_TRUNCATED": "provider_truncated",
    "UPSTREAM_INVALID": "provider_invalid",
    "UPSTREAM_TOO_LARGE": "provider_too_large",
    "UPSTREAM_BUSY": "policy_connections",
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
