"""What the gateway counts, under the names that dashboards know."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from synapse.cache.v1 import outcome_pb2
from synapse_gateway import outcome as outcomes

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The gateway's own metrics, in a registry of their own; `/metrics` shows the process's beside them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "synapse_requests_total", "API requests by HTTP status.", ["status"], registry=self.registry
        )
        self._seconds = Histogram(
            "synapse_request_duration_seconds",
            "Time to serve an API request, streams until their end.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "synapse_request_errors_total", "Failed API requests by fault.", ["error_type"], registry=self.registry
        )
        self._hits = Counter("synapse_cache_hits_total", "Requests answered from the cache.", registry=self.registry)
        self._misses = Counter(
            "synapse_cache_misses_total", "Requests that a backend answered.", registry=self.registry
        )
        self._bypasses = Counter(
            "synapse_cache_bypasses_total", "Requests for which the cache was not used.", registry=self.registry
        )
        self._tiers = Counter(
            "synapse_cache_tier_hits_total", "Requests answered from each tier.", ["tier"], registry=self.registry
        )
        self._saved = Counter("synapse_tokens_saved_total", "Tokens that hits saved.", registry=self.registry)
        self._embedding = Histogram(
            "synapse_embedding_duration_seconds",
            "Time to embed the texts of a request.",
            buckets=_FAST_SECONDS,
            registry=self.registry,
        )
        self._in_flight = Gauge("synapse_requests_in_flight", "API requests being served.", registry=self.registry)
        self._most_in_flight = Gauge(
            "synapse_requests_in_flight_limit",
            "API requests that are served at once; more are refused.",
            registry=self.registry,
        )
        self._by_tier = {tier: self._tiers.labels(name) for tier, name in outcomes.TIERS.items()}
        self._statuses: dict[int, Counter] = {}
        self._routes: dict[str, Histogram] = {}

    def watch_in_flight(self, count: Callable[[], int], *, limit: int) -> None:
        """Show what `count` says as the requests in flight, of at most `limit`."""
        self._in_flight.set_function(count)
        self._most_in_flight.set(limit)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was served."""
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._statuses[status] = self._requests.labels(str(status))
        counter.inc()
        histogram = self._routes.get(route)
        if histogram is None:
            histogram = self._routes[route] = self._seconds.labels(route)
        histogram.observe(seconds)

    def error(self, fault: str) -> None:
        """Count a failure by whose fault it was."""
        self._errors.labels(fault).inc()

    def outcome(self, outcome: outcome_pb2.Outcome) -> None:
        """Count what the cache did."""
        if outcomes.is_hit(outcome):
            self._hits.inc()
            if tier := self._by_tier.get(outcome.tier):
                tier.inc()
            self._saved.inc(max(0, outcome.tokens_saved))
        elif outcomes.is_bypass(outcome):
            self._bypasses.inc()
        else:
            self._misses.inc()
        if outcome.HasField("embed_latency"):
            self.embedding(outcome.embed_latency.seconds + outcome.embed_latency.nanos / 1e9)

    def embedding(self, seconds: float) -> None:
        """Count the time of one embedding."""
        self._embedding.observe(seconds)

    def exposition(self) -> bytes:
        """Every metric in Prometheus' text form."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)
