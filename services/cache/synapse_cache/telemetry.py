"""The cache's metrics: every name in one place. Labels are bounded: no key or prompt, and a hundred namespaces.

A namespace of the cache is `cache_namespace`, since scrapers of Kubernetes lay their own `namespace` over a metric's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

_LOOKUPS = Counter("synapse_cache_lookups_total", "Requests by what the cache did.", ["status", "tier", "reason"])
_LOOKUP_SECONDS = Histogram(
    "synapse_cache_lookup_duration_seconds",
    "Time spent in the cache service, backend calls excluded.",
    ["status", "tier"],
    buckets=(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
_STORES = Counter("synapse_cache_stores_total", "Answers by whether they were accepted for storing.", ["result"])
_IMPORTS = Counter("synapse_cache_imported_entries_total", "Entries brought in, by what became of them.", ["result"])
_REEMBEDDED = Counter("synapse_cache_reembedded_entries_total", "Entries carried into the vectors of another model.")
_FAILURES = Counter("synapse_cache_dependency_failures_total", "Calls that a dependency failed.", ["dependency"])
_COLLAPSED = Counter("synapse_cache_collapsed_total", "Requests that shared a backend call begun by another.")
_SHADOW_HITS = Counter("synapse_cache_shadow_hits_total", "Hits by meaning that were decided and not served.")
_TOKENS_SAVED = Counter(
    "synapse_cache_tokens_saved_total", "Tokens that hits saved: what the answers once cost.", ["model"]
)
_COST_SAVED = Counter(
    "synapse_cache_cost_saved_dollars_total",
    "US dollars that hits saved, by the prices when the answers were made.",
    ["model"],
)
_SECONDS_SAVED = Counter(
    "synapse_cache_saved_seconds_total",
    "Time that hits saved: what the answers once took, less what serving them took.",
    ["model"],
)
_LOG_DROPPED = Counter("synapse_cache_log_dropped_total", "Requests that found no room in the queue to the log.")
_SAVINGS_DROPPED = Counter("synapse_cache_savings_dropped_total", "Requests that savings were not counted of.")
_MOST_MODELS = 50
_OTHER_MODEL = "(other)"
_REJECTED = Counter(
    "synapse_cache_rejected_entries_total", "Stored values that were no whole entry of the place.", ["store", "reason"]
)
_AUDITS = Counter(
    "synapse_cache_audits_total",
    "Hits by meaning put up for an audit: same, different, open, failed (no fresh answer) or dropped (no room).",
    ["verdict"],
)
_SHADOWS = Counter(
    "synapse_cache_shadow_audits_total",
    "Comparisons of answers that would have been served by meaning and were not, by what they found.",
    ["verdict"],
)
_AUDIT_TOKENS = Counter("synapse_cache_audit_tokens_total", "Tokens that audits cost.")
_AUDIT_COST = Counter("synapse_cache_audit_cost_dollars_total", "US dollars that audits cost, by the table of prices.")
_JUDGED = Counter(
    "synapse_cache_judge_calls_total", "Calls of the judge: same, different, open or failed.", ["verdict"]
)
_ERROR_BOUND = Gauge(
    "synapse_cache_error_bound_ratio",
    "Share of requests answered wrongly by meaning: estimate, and ends of the interval that holds at every moment at"
    " 95 %. The hundred busiest namespaces; the rest is tenant and namespace other.",
    ["tenant", "cache_namespace", "end"],
)
_ERROR_BUDGET = Gauge(
    "synapse_cache_error_budget_ratio",
    "Share of requests that may be answered wrongly; of other, the strictest.",
    ["tenant", "cache_namespace"],
)
_STRICTNESS = Gauge(
    "synapse_cache_strictness_ratio",
    "How much of the calibration's bar audits left: 1 is all of it; of other, the least.",
    ["tenant", "cache_namespace"],
)
_WORST_BOUND = Gauge(
    "synapse_cache_error_bound_worst_ratio",
    "synapse_cache_error_bound_ratio over the budget, of the namespace where that is worst: above 1 it is broken.",
    ["end"],
)
_TOTAL_BOUND = Gauge(
    "synapse_cache_error_bound_total_ratio", "synapse_cache_error_bound_ratio of all requests.", ["end"]
)
_SUSPENDED = Gauge("synapse_cache_suspended_namespaces", "Namespaces where reuse by meaning is off: the budget broke.")
_JOURNAL_FAILURES = Counter("synapse_cache_journal_failures_total", "Batches of journal writes that failed.")
_FEEDBACK = Counter(
    "synapse_cache_feedback_total", "Reports on served answers by what was said and done.", ["rating", "effect"]
)
_PENDING = Gauge("synapse_cache_journal_pending", "Answers accepted and not yet in every store.")

_JOURNAL_BYTES = Gauge(
    "synapse_cache_journal_bytes", "Bytes of answers in the journal that are not in every store yet."
)
_JOURNAL_MAX_BYTES = Gauge("synapse_cache_journal_max_bytes", "Bytes at which the journal refuses more answers.")

_STALE = Counter("synapse_cache_stale_total", "Answers served past their end, by why.", ["reason"])
_REFRESHES = Counter("synapse_cache_refreshes_total", "Calls behind stale answers by what became of them.", ["result"])

_TURNS = Counter(
    "synapse_cache_call_turns_total", "Backend calls by whose turn it was among the replicas that share them.", ["turn"]
)
_CALLS = Gauge("synapse_cache_calls_in_flight", "Backend calls under way that others may join.")

_INVALIDATIONS = Counter("synapse_cache_invalidations_total", "Invalidations that were asked for here.", ["kind"])
_INVALIDATED = Counter("synapse_cache_invalidated_entries_total", "Entries that invalidations found and removed.")
_HEARD_SECONDS = Histogram(
    "synapse_cache_invalidation_heard_seconds",
    "From the order of an invalidation on another replica to its being in force here.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def looked_up(status: str, tier: str, reason: str, seconds: float) -> None:
    """Count one request and the time the cache spent on it."""
    lookups, durations = _children(status, tier, reason)
    lookups.inc()
    durations.observe(seconds)


@lru_cache(maxsize=512)
def _children(status: str, tier: str, reason: str) -> tuple[Counter, Histogram]:
    """The two series of an outcome; looking them up by their labels each time would cost more than counting."""
    return _LOOKUPS.labels(status, tier, reason), _LOOKUP_SECONDS.labels(status, tier)


def stored(result: str) -> None:
    """Count one answer: "stored", or why it was not."""
    _STORES.labels(result).inc()


def imported(result: str) -> None:
    """Count one entry that was brought in: "imported", "unchanged", "expired" or "refused"."""
    _IMPORTS.labels(result).inc()


def reembedded(count: int) -> None:
    """Count entries that were carried into another vector space."""
    _REEMBEDDED.inc(count)


def dependency_failed(name: str) -> None:
    """Count one failed call to a dependency."""
    _FAILURES.labels(name).inc()


def collapsed() -> None:
    """Count one request that shared another's backend call."""
    _COLLAPSED.inc()


def shadow_hit() -> None:
    """Count one hit that shadow mode kept from being served."""
    _SHADOW_HITS.inc()


def saved(model: str, tokens: int, dollars: float, seconds: float) -> None:
    """Count what a hit saved; models after the first 50 are counted together."""
    counters = _by_model.get(model)
    if counters is None:
        label = model if len(_by_model) < _MOST_MODELS else _OTHER_MODEL
        counters = tuple(counter.labels(label) for counter in (_TOKENS_SAVED, _COST_SAVED, _SECONDS_SAVED))
        if label == model:
            _by_model[model] = counters
    for counter, amount in zip(counters, (tokens, dollars, seconds), strict=True):
        counter.inc(amount)


def feedback(rating: str, effect: str) -> None:
    """Count one report on a served answer."""
    _FEEDBACK.labels(rating, effect).inc()


def log_dropped() -> None:
    """Count one request that is not logged."""
    _LOG_DROPPED.inc()


def savings_dropped() -> None:
    """Count one request whose savings are not counted."""
    _SAVINGS_DROPPED.inc()


def journal_pending(count: int) -> None:
    """Tell how many answers are not in every store yet."""
    _PENDING.set(count)


def journal_size(size_bytes: int, *, max_bytes: int) -> None:
    """Tell how large the journal is, and how large it may become."""
    _JOURNAL_BYTES.set(size_bytes)
    _JOURNAL_MAX_BYTES.set(max_bytes)


def entry_rejected(store: str, reason: str) -> None:
    """Count one stored value that is not served; `reason` is "corrupt" or "foreign"."""
    _REJECTED.labels(store, reason).inc()


def journal_failed() -> None:
    """Count one batch of journal writes or one sync that failed."""
    _JOURNAL_FAILURES.inc()


_by_model: dict[str, tuple[Counter, ...]] = {}


def stale(reason: str) -> None:
    """Count one answer served past its end."""
    _STALE.labels(reason).inc()


def refreshed(result: str) -> None:
    """Count one call behind a stale answer: "refreshed", "not_stored" or "failed"."""
    _REFRESHES.labels(result).inc()


def audited(verdict: str) -> None:
    """Count one hit by meaning that was put up for an audit."""
    _AUDITS.labels(verdict).inc()


def shadowed(verdict: str) -> None:
    """Count one comparison of an answer that would have been served by meaning."""
    _SHADOWS.labels(verdict).inc()


def audit_paid(tokens: int, dollars: float) -> None:
    """Count what the backend's answer to an audit cost."""
    _AUDIT_TOKENS.inc(tokens)
    _AUDIT_COST.inc(dollars)


def judged(verdict: str) -> None:
    """Count one call of the judge."""
    _JUDGED.labels(verdict).inc()


_named: set[tuple[str, str]] = set()


def error_bounds(
    named: Mapping[tuple[str, str], tuple[dict[str, float], float, float]],
    *,
    worst: dict[str, float],
    total: dict[str, float],
    suspended: int,
) -> None:
    """Tell the bounds: by tenant and namespace the ends, the budget and the strictness; what was told before goes."""
    for home, (ends, budget, strictness) in named.items():
        for end, value in ends.items():
            _ERROR_BOUND.labels(*home, end).set(value)
        _ERROR_BUDGET.labels(*home).set(budget)
        _STRICTNESS.labels(*home).set(strictness)
    for home in _named.difference(named):
        for end in total:
            _ERROR_BOUND.remove(*home, end)
        _ERROR_BUDGET.remove(*home)
        _STRICTNESS.remove(*home)
    _named.clear()
    _named.update(named)
    for gauge, ends in ((_WORST_BOUND, worst), (_TOTAL_BOUND, total)):
        for end, value in ends.items():
            gauge.labels(end).set(value)
    _SUSPENDED.set(suspended)


def turn(whose: str) -> None:
    """Count one backend call: "led" for all replicas, "followed" another's, or "alone", by itself."""
    _TURNS.labels(whose).inc()


def calls_in_flight(change: int) -> None:
    """Count a backend call that began (1) or ended (-1)."""
    _CALLS.inc(change)


def invalidated(kind: str) -> None:
    """Count one invalidation: a "flush", or a "search" for what meets conditions."""
    _INVALIDATIONS.labels(kind).inc()


def removed(count: int) -> None:
    """Count entries that an invalidation removed."""
    _INVALIDATED.inc(count)


def invalidation_heard(seconds: float) -> None:
    """Count one invalidation of another replica that is in force here now."""
    _HEARD_SECONDS.observe(seconds)
