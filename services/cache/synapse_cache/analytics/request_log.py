"""The log of requests: what is noted of each behind the reply, and the way into the store."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache import telemetry
from synapse_cache.analytics.sketch import sketch_of
from synapse_cache.model import Hit, Status, Tier
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Policy, Question
    from synapse_cache.ports import RequestLogStore
    from synapse_cache.thresholds.thresholds import Thresholds, ThresholdSource

_log = logging.getLogger("synapse.cache.log")
_MOST_WAITING = 4_096
_BATCH = 128
_AT_ONCE = 32
_EVERY_SECONDS = 0.5
_LONGEST_PROMPT = 4_000


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as logged. Times are seconds since the epoch, durations seconds.

    `tokens` and `cost_nanos` are what the entry found cost when it was made, served or not. `best_similarity`,
    `best_veto` and `best_error` are the best candidate's cosine, veto and probability of a wrong answer, and `bar` is
    the largest such probability that could have been served. `max_error` and `hit_similarity` are the bounds that held,
    `asked_error` the caller's own. `shadow` says that a hit, of `tier`, was only recorded. `prompt` is empty unless the
    operator has texts logged, `sketch` unless the lookup had a vector.
    """

    id: str
    at: float
    tenant: str
    namespace: str
    model: str
    key: str
    status: Status
    reason: str
    tier: Tier | None = None
    entry_id: str = ""
    similarity: float | None = None
    age_seconds: float | None = None
    ttl_seconds: float | None = None
    latency_seconds: float = 0.0
    embed_seconds: float | None = None
    tokens: int = 0
    cost_nanos: int = 0
    best_similarity: float | None = None
    best_veto: str = ""
    best_error: float | None = None
    bar: float | None = None
    max_error: float = 0.0
    asked_error: float | None = None
    hit_similarity: float = 0.0
    shadow: bool = False
    stale: bool = False
    exact_only: bool = False
    prompt: str = ""
    sketch: bytes = b""

    @property
    def hit(self) -> bool:
        """Whether it was answered from the cache."""
        return self.status is Status.HIT


@dataclass(frozen=True, slots=True)
class LogRules:
    """Whether the log holds the texts of prompts, and sketches of their vectors."""

    prompts: bool = False
    vectors: bool = True


_Noted: TypeAlias = "tuple[float, str, str, str | None, Found, Outcome, float | None, Caller, Thresholds]"


class RequestLogger:
    """Notes every request and writes the notes behind the replies; what finds no room is dropped and counted.

    Noting appends to a queue; the form of the log is made later, by `run`.
    """

    def __init__(
        self,
        store: RequestLogStore,
        thresholds: ThresholdSource,
        rules: LogRules | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._thresholds = thresholds
        self._rules = rules or LogRules()
        self._clock = clock
        self._noted: deque[_Noted] = deque()
        self._ready: deque[Logged] = deque()
        self._sending: tuple[str, list[Logged]] | None = None
        self._lock = asyncio.Lock()

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """As in Follower; previews are no requests."""
        if policy.preview:
            return
        if len(self._noted) + len(self._ready) >= _MOST_WAITING:
            telemetry.log_dropped()
            return
        held = self._thresholds.of(caller.tenant)
        noted = (self._clock(), question.model, question.key, question.prompt, found, outcome)
        self._noted.append((*noted, policy.max_error, caller, held))

    def answered(self, question: Question, found: Found, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        """As in Follower; the log tells what was found."""

    async def run(self) -> None:
        """Write what was noted, twice a second, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.flush()
            except StoreUnavailable as error:
                telemetry.dependency_failed("log")
                _log.debug("the log waits", extra={"cause": str(error)})

    async def flush(self) -> None:
        """Write what was noted until now; raises StoreUnavailable, and what was not written is tried again."""
        async with self._lock:
            await self._form()
            for _ in range(-(-len(self._ready) // _BATCH) + (self._sending is not None)):
                await self._send()

    async def drain(self, *, seconds: float) -> None:
        """Write what was noted, in at most `seconds`; what is left is lost."""
        try:
            async with asyncio.timeout(seconds):
                await self.flush()
        except (StoreUnavailable, TimeoutError) as error:
            _log.warning("requests were not logged", extra={"count": self.waiting, "cause": str(error)})

    @property
    def waiting(self) -> int:
        """How many requests are noted and not written."""
        return len(self._noted) + len(self._ready) + len(self._sending[1] if self._sending else ())

    async def _form(self) -> None:
        """Put the notes in form, a few at a time; that lets go of the answers they hold."""
        while self._noted:
            for _ in range(min(_AT_ONCE, len(self._noted))):
                self._ready.append(logged(self._noted.popleft(), self._rules))
            await asyncio.sleep(0)

    async def _send(self) -> None:
        """Write the next batch, or once more the one whose writing failed."""
        if self._sending is None:
            taken = [self._ready.popleft() for _ in range(min(_BATCH, len(self._ready)))]
            self._sending = (secrets.token_hex(8), taken)
        batch_id, records = self._sending
        await self._store.append(records, batch_id=batch_id)
        self._sending = None


def logged(noted: _Noted, rules: LogRules) -> Logged:
    """A note in the form of the log."""
    at, model, key, prompt, found, outcome, asked_error, caller, held = noted
    entry = found.result.entry if isinstance(found.result, Hit) else None
    similarity, veto, error = _best(found)
    verdict, embedding = found.result.verdict, found.embedding
    return Logged(
        id=caller.request_id,
        at=at,
        tenant=caller.tenant,
        namespace=found.place.namespace,
        model=model,
        key=key,
        status=outcome.status,
        reason=outcome.reason,
        tier=outcome.tier or (found.result.tier if found.shadow and isinstance(found.result, Hit) else None),
        entry_id=entry.id if entry is not None else "",
        similarity=outcome.similarity,
        age_seconds=max(0.0, at - entry.created_at) if entry is not None else None,
        ttl_seconds=outcome.ttl_seconds,
        latency_seconds=outcome.latency_seconds,
        embed_seconds=outcome.embed_seconds,
        tokens=entry.tokens if entry is not None else 0,
        cost_nanos=entry.cost_nanos if entry is not None else 0,
        best_similarity=similarity,
        best_veto=veto,
        best_error=error,
        bar=verdict.bar if verdict is not None else None,
        max_error=held.max_error if asked_error is None else min(asked_error, held.max_error),
        asked_error=asked_error,
        hit_similarity=held.hit_similarity,
        shadow=found.shadow,
        stale=outcome.stale,
        exact_only=prompt is None or found.exact_only,
        prompt=(prompt or "")[:_LONGEST_PROMPT] if rules.prompts else "",
        sketch=sketch_of(embedding) if rules.vectors and embedding is not None else b"",
    )


def _best(found: Found) -> tuple[float | None, str, float | None]:
    """Similarity, veto and error of the candidate served, else of the one that came nearest to it."""
    verdict = found.result.verdict
    if verdict is not None and verdict.judged:
        best = min(
            verdict.judged,
            key=lambda one: (
                one.candidate is not verdict.candidate,
                one.veto is not None or one.denied,
                one.error if one.error is not None else 1.0,
                -one.candidate.similarity,
            ),
        )
        veto = "denied" if best.denied else str(best.veto or "")
        return best.candidate.similarity, veto, best.error
    considered = found.result.considered
    return (considered[0].similarity, considered[0].veto, None) if considered else (None, "", None)
