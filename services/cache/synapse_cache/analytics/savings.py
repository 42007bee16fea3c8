"""What hits saved: counted by tenant, UTC day and model, for the whole cluster."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from synapse_cache import telemetry
from synapse_cache.model import Hit, Status
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Policy, Question
    from synapse_cache.ports import SavingsStore

_log = logging.getLogger("synapse.cache.savings")
KEPT_DAYS = 400
MOST_MODELS = 100
"""Of a tenant's day; what further models saved is counted together, under OTHER_MODEL."""
OTHER_MODEL = "(other)"
_LONGEST_MODEL = 200
_MOST_WAITING = 10_000
_EVERY_SECONDS = 1.0
_DAY_SECONDS = 86_400


class Account(NamedTuple):
    """Whose savings, of which day (YYYY-MM-DD in UTC), by which model."""

    tenant: str
    day: str
    model: str


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved; sums of two are sums. `micros` are microseconds, `cost_nanos` billionths of a US dollar."""

    requests: int = 0
    hits: int = 0
    tokens: int = 0
    cost_nanos: int = 0
    micros: int = 0

    def __add__(self, other: Saved) -> Saved:
        return Saved(
            self.requests + other.requests,
            self.hits + other.hits,
            self.tokens + other.tokens,
            self.cost_nanos + other.cost_nanos,
            self.micros + other.micros,
        )


class SavingsCounter:
    """Counts behind the replies, and adds to the cluster's counts: once each, however often a batch must be sent."""

    def __init__(self, store: SavingsStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[tuple[str, str, str], list[int]] = {}
        self._sending: tuple[str, dict[Account, Saved]] | None = None
        self._today = (0, "")
        self._lock = asyncio.Lock()

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """As in Follower: misses are requests too, bypasses and previews are not."""
        if outcome.status is Status.BYPASS or policy.preview:
            return
        model = question.model[:_LONGEST_MODEL]
        account = (caller.tenant, self._day(), model)
        total = self._counts.get(account)
        if total is None:
            if len(self._counts) >= _MOST_WAITING:
                telemetry.savings_dropped()
                return
            total = self._counts[account] = [0] * 5
        total[0] += 1
        if outcome.status is Status.HIT and isinstance(found.result, Hit):
            seconds = max(0.0, found.result.entry.made_in_seconds - outcome.latency_seconds)
            total[1] += 1
            total[2] += outcome.tokens_saved
            total[3] += outcome.cost_saved_nanos
            total[4] += round(seconds * 1e6)
            telemetry.saved(model, outcome.tokens_saved, outcome.cost_saved_nanos / 1e9, seconds)

    def answered(self, question: Question, found: Found, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        """As in Follower; a backend's answer saves nothing."""

    async def run(self) -> None:
        """Add what was counted, every second, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.flush()
            except StoreUnavailable as error:
                telemetry.dependency_failed("savings")
                _log.debug("savings wait", extra={"cause": str(error)})

    async def flush(self) -> None:
        """Add what was counted until now; raises StoreUnavailable, and the counts are tried again."""
        async with self._lock:
            for _ in range(2):  # first what failed before, as it was sent then
                if self._sending is None:
                    counted, self._counts = self._counts, {}
                    counts = {Account(*account): Saved(*total) for account, total in counted.items()}
                    self._sending = (secrets.token_hex(8), counts)
                batch_id, counts = self._sending
                if counts:
                    await self._store.add(counts, batch_id=batch_id)
                self._sending = None

    async def drain(self, *, seconds: float) -> None:
        """Add what was counted, in at most `seconds`; what is left is lost."""
        try:
            async with asyncio.timeout(seconds):
                await self.flush()
        except (StoreUnavailable, TimeoutError) as error:
            _log.warning("savings were not counted", extra={"cause": str(error)})

    def _day(self) -> str:
        number = int(self._clock() // _DAY_SECONDS)
        if number != self._today[0]:
            self._today = (number, day_of(number * _DAY_SECONDS))
        return self._today[1]


class SavingsReport:
    """What the whole cluster saved; what `counter` has counted here is added first."""

    def __init__(self, store: SavingsStore, counter: SavingsCounter, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._counter = counter
        self._clock = clock

    async def of(self, tenant: str | None, *, window_seconds: float | None) -> Mapping[Account, Saved]:
        """Of one tenant or of all, for the days that touch the window; raises StoreUnavailable."""
        await self._counter.flush()
        now = self._clock()
        reach = KEPT_DAYS * _DAY_SECONDS if window_seconds is None else min(window_seconds, KEPT_DAYS * _DAY_SECONDS)
        return await self._store.read(tenant, first_day=day_of(now - reach), last_day=day_of(now))


def day_of(at: float) -> str:
    """The UTC day of a time, YYYY-MM-DD."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def days_between(first_day: str, last_day: str) -> list[str]:
    """Every day from the first to the last, both included."""
    first, last = datetime.fromisoformat(first_day).date(), datetime.fromisoformat(last_day).date()
    return [(first + timedelta(days=after)).isoformat() for after in range((last - first).days + 1)]
