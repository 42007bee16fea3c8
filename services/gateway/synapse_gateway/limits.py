"""How much a key may ask: token buckets and concurrency, and what callers are told about them."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_gateway.problems import too_many

_BUSY_RETRY_SECONDS = 0.5


class TokenBucket:
    """`capacity` tokens that refill at `per_second`; it may be overdrawn by charges that come after the fact."""

    def __init__(self, per_second: float, capacity: float, now: float) -> None:
        self.capacity = capacity
        self._per_second = per_second
        self._level = capacity
        self._at = now

    def level(self, now: float) -> float:
        """Tokens there at `now`; negative while overdrawn."""
        self._level = min(self.capacity, self._level + (now - self._at) * self._per_second)
        self._at = now
        return self._level

    def charge(self, amount: float, now: float) -> None:
        """Take `amount`, whatever the level."""
        self._level = self.level(now) - amount

    def seconds_until(self, amount: float, now: float) -> float:
        """Time until `amount` tokens are there; 0 when they are."""
        return max(0.0, (amount - self.level(now)) / self._per_second)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one key; 0 means none. Tokens are those that backends used."""

    requests_per_second: float = 0.0
    burst: int = 0
    tokens_per_minute: int = 0
    max_concurrent: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """How much of one limit is left, and when it will be whole again."""

    kind: str
    """"requests" or "tokens"."""
    limit: float
    remaining: float
    reset_seconds: float


class Meter:
    """Counts one key's requests and tokens against its limits."""

    def __init__(self, limits: Limits, now: float) -> None:
        rps, tpm = limits.requests_per_second, limits.tokens_per_minute
        self._requests = TokenBucket(rps, limits.burst or max(1.0, rps), now) if rps else None
        self._tokens = TokenBucket(tpm / 60, tpm, now) if tpm else None
        self._max_concurrent = limits.max_concurrent
        self._in_flight = 0

    def enter(self, now: float) -> None:
        """Begin a request; raises Problem 429 when a limit is reached. What entered must leave."""
        if self._max_concurrent and self._in_flight >= self._max_concurrent:
            message = f"This key has {self._in_flight} requests in flight, which is its limit."
            raise too_many(message, retry_after_seconds=_BUSY_RETRY_SECONDS)
        if self._requests is not None and (wait := self._requests.seconds_until(1, now)):
            raise too_many("This key's limit of requests per second is reached.", retry_after_seconds=wait)
        if self._tokens is not None and (wait := self._tokens.seconds_until(1, now)):
            raise too_many("This key's limit of tokens per minute is reached.", retry_after_seconds=wait)
        if self._requests is not None:
            self._requests.charge(1, now)
        self._in_flight += 1

    def leave(self) -> None:
        """End a request that entered."""
        self._in_flight -= 1

    def used(self, tokens: int, now: float) -> None:
        """Charge tokens that a backend used."""
        if self._tokens is not None:
            self._tokens.charge(tokens, now)

    def levels(self, now: float) -> list[Level]:
        """How much of each limit is left; none where there is no limit."""
        buckets = (("requests", self._requests), ("tokens", self._tokens))
        return [
            Level(kind, bucket.capacity, max(0.0, bucket.level(now)), bucket.seconds_until(bucket.capacity, now))
            for kind, bucket in buckets
            if bucket is not None
        ]


def duration_text(seconds: float) -> str:
    """A duration as OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h0m0s`."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms"
    whole = -(-millis // 1000)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
