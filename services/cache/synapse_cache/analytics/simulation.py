"""What logged requests would have brought under other thresholds: hits, savings, and the error to expect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from synapse_cache.decision.budget import Budget
from synapse_cache.model import Status, Tier

if TYPE_CHECKING:
    from synapse_cache.analytics.request_log import Logged
    from synapse_cache.thresholds.thresholds import Thresholds

CONFIDENCE = 0.95
_FEW = 300
"""Below this many requests without an error not even 1 % is certain."""
_HALVINGS = 60


class Fate(Enum):
    """What becomes of a request."""

    EXACT = "exact"
    SEMANTIC = "semantic"
    MISS = "miss"


@dataclass(frozen=True, slots=True)
class Projection:
    """Hits and errors over some requests; `expected_error` and `error_bound` are shares of the requests."""

    requests: int = 0
    hits_exact: int = 0
    hits_semantic: int = 0
    tokens: int = 0
    cost_nanos: int = 0
    expected_error: float = 0.0
    error_bound: float = 0.0

    @property
    def hit_rate(self) -> float:
        """Hits / requests; 0 where there are none."""
        return (self.hits_exact + self.hits_semantic) / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """The logged requests as they were, as they would have been, and words of caution for people."""

    current: Projection
    simulated: Projection
    caveats: tuple[str, ...]


class Bars:
    """Which probability of a wrong answer would have been served under another bound, request by request.

    The namespaces' budgets are replayed: what they note does not depend on what was served. What else moved a bar then,
    such as audits, moves it here as much, so at the bound that held a bar is the one that was logged. Never decreasing
    in the bound, which keeps stricter thresholds from projecting more hits.
    """

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    def bar(self, max_error: float, logged: Logged) -> float:
        """The largest such probability, 0 to 1, had `max_error` held, the share of requests that may be wrong."""
        if logged.bar is None:
            return max_error
        if max_error == logged.max_error:
            return logged.bar
        budget = self._budgets.get(logged.namespace, _UNSPENT)
        held = budget.bar(logged.max_error)
        return min(1.0, logged.bar * (budget.bar(max_error) / held)) if held > 0 else budget.bar(max_error)

    def note(self, logged: Logged) -> None:
        """A request went by; to be told after its bar was asked for."""
        if logged.embed_seconds is not None and not logged.exact_only:
            self._budgets.setdefault(logged.namespace, Budget()).note(logged.best_error)


def passes(logged: Logged, thresholds: Thresholds, bar: float) -> bool:
    """Whether the best candidate may be served under `thresholds` and `bar`, the most likely wrong answer.

    Without a probability of a wrong answer, what was served passed for certain and the rest was never judged.
    """
    if not thresholds.by_meaning or _max_error(logged, thresholds) <= 0:
        return False
    if logged.best_similarity is None or logged.best_veto:
        return False
    if logged.best_similarity < max(thresholds.hit_similarity, thresholds.partial_similarity):
        return False
    if logged.best_error is None:
        return _by_meaning(logged)
    return logged.best_error <= bar


def fate(logged: Logged, thresholds: Thresholds, bar: float) -> Fate:
    """What becomes of a logged request: the more `thresholds` and `bar` allow, the more is served.

    A request that missed hits only where the thresholds of then explain the miss: what a store that was down, a veto or
    a suspension turned away stays turned away.
    """
    found = Fate.MISS if thresholds.shadow else Fate.SEMANTIC
    if _by_meaning(logged):
        lives = _lives(logged, thresholds, exact=False)
        return found if lives and passes(logged, thresholds, bar) else Fate.MISS
    if _is_alias(logged) and thresholds.shadow:
        return Fate.MISS
    if logged.hit or _is_alias(logged):
        if _lives(logged, thresholds, exact=True):
            return Fate.EXACT
        again = thresholds.by_meaning and not logged.exact_only and _lives(logged, thresholds, exact=False)
        return found if again else Fate.MISS
    return found if _was_refused(logged) and passes(logged, thresholds, bar) else Fate.MISS


def simulate(records: Sequence[Logged], thresholds: Thresholds, *, held: Thresholds) -> Simulation:
    """Replay `records`, oldest first, under `thresholds`; `held` are those in force. Bypasses are left out."""
    asked = [one for one in records if one.status is not Status.BYPASS]
    worth = _Worth.of(asked)
    current, simulated, bars = _Sum(worth), _Sum(worth), Bars()
    lost = 0
    for one in asked:
        bar = bars.bar(_max_error(one, thresholds), one)
        bars.note(one)
        then, now = _as_it_was(one), fate(one, thresholds, bar)
        current.add(one, then)
        simulated.add(one, now)
        lost += now is Fate.MISS is not then
    caveats = _caveats(asked, simulated, lost=lost)
    if thresholds.ttl_seconds > held.ttl_seconds or thresholds.semantic_ttl_seconds > held.semantic_ttl_seconds:
        caveats.append("Answers that had ended when they were asked for are not in the log: longer lives bring more.")
    return Simulation(current.projection(), simulated.projection(), tuple(caveats))


def upper_bound(errors: float, requests: int, *, confidence: float = CONFIDENCE) -> float:
    """The upper confidence bound of a share of which `errors` of `requests` are expected; 1 where there are none.

    The Chernoff-Hoeffding bound in its form of relative entropies, for independent contributions between 0 and 1, as
    probabilities are: the largest q with requests * KL(errors / requests, q) <= ln(1 / (1 - confidence)). At 0 errors
    it is the bound of Clopper and Pearson.
    """
    if requests <= 0:
        return 1.0
    share = min(1.0, errors / requests)
    room = math.log(1 / (1 - confidence)) / requests
    low, high = share, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _relative_entropy(share, middle) <= room else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a hit saves: what its entry cost, or the mean of the model's entries where the log knows none.

    `sums` has entries, tokens and billionths of a dollar by model, of all models under "".
    """

    sums: dict[str, tuple[int, int, int]]

    @classmethod
    def of(cls, records: Iterable[Logged]) -> _Worth:
        sums: dict[str, tuple[int, int, int]] = {}
        for one in records:
            for name in (one.model, "") if one.entry_id else ():
                count, tokens, cost = sums.get(name, (0, 0, 0))
                sums[name] = (count + 1, tokens + one.tokens, cost + one.cost_nanos)
        return cls(sums)

    def saved(self, one: Logged) -> tuple[int, int]:
        """Tokens and billionths of a dollar."""
        if one.entry_id:
            return one.tokens, one.cost_nanos
        count, tokens, cost = self.sums.get(one.model) or self.sums.get("") or (1, 0, 0)
        return round(tokens / count), round(cost / count)


@dataclass(slots=True)
class _Sum:
    """A projection in the making.

    `errors` has the error that a decision by meaning left under a key, for the hits by that key that follow it;
    `unjudged` counts hits without a probability, `estimated` those whose worth is a mean.
    """

    worth: _Worth
    requests: int = 0
    exact: int = 0
    semantic: int = 0
    tokens: int = 0
    cost_nanos: int = 0
    expected: float = 0.0
    unjudged: int = 0
    estimated: int = 0
    errors: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, one: Logged, fate: Fate) -> None:
        """Take one request in."""
        self.requests += 1
        if fate is Fate.MISS:
            if one.hit:
                self.errors[one.namespace, one.key] = 0.0  # it would have stored an answer of its own
            return
        self.exact += fate is Fate.EXACT
        self.semantic += fate is Fate.SEMANTIC
        self.estimated += not one.entry_id
        tokens, cost = self.worth.saved(one)
        self.tokens += tokens
        self.cost_nanos += cost
        self.expected += self._error(one)

    def _error(self, one: Logged) -> float:
        """The probability that a hit was wrong; without one, the share that its bound allowed."""
        if one.hit and one.tier is not Tier.L2 and not _is_alias(one):
            return 0.0
        key = (one.namespace, one.key)
        known = self.errors.get(key) if _is_alias(one) else one.best_error
        self.unjudged += known is None
        error = one.max_error if known is None else known
        self.errors[key] = error
        return error

    def projection(self) -> Projection:
        """The sums."""
        return Projection(
            self.requests,
            self.exact,
            self.semantic,
            self.tokens,
            self.cost_nanos,
            self.expected / self.requests if self.requests else 0.0,
            upper_bound(self.expected, self.requests),
        )


def _max_error(one: Logged, thresholds: Thresholds) -> float:
    """The bound of `thresholds`, or the caller's own where that is stricter."""
    return thresholds.max_error if one.asked_error is None else min(one.asked_error, thresholds.max_error)


def _as_it_was(one: Logged) -> Fate:
    if not one.hit:
        return Fate.MISS
    return Fate.SEMANTIC if one.tier is Tier.L2 else Fate.EXACT


def _by_meaning(one: Logged) -> bool:
    """Whether a decision by meaning found an answer, served or, in shadow, not."""
    return one.tier is Tier.L2 and (one.hit or one.shadow)


def _is_alias(one: Logged) -> bool:
    """Whether an earlier decision by meaning led to the answer by its exact key."""
    return one.tier is not Tier.L2 and (one.shadow or (one.hit and one.reason == "alias"))


def _lives(one: Logged, thresholds: Thresholds, *, exact: bool) -> bool:
    """Whether the answer was young enough, as served by its exact key or by meaning."""
    life = thresholds.ttl_seconds if exact else thresholds.semantic_ttl_seconds
    if one.stale:
        life += max(thresholds.stale_while_revalidate_seconds, thresholds.stale_if_error_seconds)
    return (one.age_seconds or 0.0) <= life


def _was_refused(one: Logged) -> bool:
    """Whether the thresholds of then explain a miss: a judged candidate was below the one bar or above the other."""
    if one.best_similarity is None or one.best_veto or one.best_error is None:
        return False
    return one.best_similarity < one.hit_similarity or (one.bar is not None and one.best_error > one.bar)


def _caveats(asked: Sequence[Logged], simulated: _Sum, *, lost: int) -> list[str]:
    """What to keep in mind, in sentences for people."""
    unseen = sum(one.best_similarity is None for one in asked if not one.hit and not one.exact_only)
    unjudged = sum(
        one.best_similarity is not None and one.best_error is None and not one.best_veto
        for one in asked
        if not one.hit and not one.shadow
    )
    told: list[tuple[int, str]] = []
    told.append((not asked, "The log holds no request that was looked up."))
    clean = upper_bound(0, len(asked))
    few = f"Only {len(asked)} requests: even without one wrong answer the share of them could be {clean:.1%}."
    told.append((0 < len(asked) < _FEW, few))
    what = (
        "hits have no probability of a wrong answer: each counts as wrong to the share that its max_error allowed, and"
    )
    told.append((simulated.unjudged, f"{simulated.unjudged} {what} no other max_error above 0 moves it."))
    what = "misses had no entry to consider: no threshold makes hits of them here, while live it might."
    told.append((unseen, f"{unseen} {what}"))
    told.append((unjudged, f"{unjudged} misses were never judged: they stay misses here, while live they might not."))
    what = "hits become misses: each would have stored an answer of its own, and what those had served is not counted."
    told.append((lost, f"{lost} {what}"))
    new = simulated.estimated
    told.append((new, f"What {new} new hits save is the mean of what other hits of their models saved."))
    return [text for applies, text in told if applies]


def _relative_entropy(share: float, other: float) -> float:
    """KL divergence of two coins, in nats."""
    first = share * math.log(share / other) if share > 0 else 0.0
    if share >= 1:
        return first
    return math.inf if other >= 1 else first + (1 - share) * math.log((1 - share) / (1 - other))


_UNSPENT = Budget()
