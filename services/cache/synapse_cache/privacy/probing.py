"""Limits probing: finding out what others asked by trying wordings and watching what hits.

A lookup by meaning that serves, or comes near, an entry that its asker did not make tells the asker something about
somebody else's prompt. Every asker has a budget of such entries, counted once each; who spends it is matched by exact
key only until the pause is over. Nothing fails, and nothing is told but the reason.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from synapse_cache.model import Hit, Tier

if TYPE_CHECKING:
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Policy, Question

REASON = "probing"
_MINUTE_SECONDS = 60.0
_MOST_ASKERS = 20_000
_MOST_KNOWN = 200_000

_Asker: TypeAlias = "tuple[str, str, str]"
"""Tenant, credential and end user; the user is empty for the credential as a whole."""


@dataclass(frozen=True, slots=True)
class ProbingRules:
    """How many entries of others an asker may come near in a minute, and what follows.

    `per_credential` counts all that one key asks, `per_user` what it asks for one end user; 0 sets no limit. Near is
    what is served by meaning, or as similar as `near_similarity`, a cosine. The pause is in seconds.
    """

    per_credential: int = 3_000
    per_user: int = 120
    near_similarity: float = 0.85
    pause_seconds: float = 60.0


@dataclass(slots=True)
class _Budget:
    tokens: float
    filled_at: float
    paused_until: float = 0.0


class Probing:
    """Budgets of this replica, in memory and bounded: the longest unseen askers, and entries, are forgotten.

    Follows requests: what was served or came near is charged, and what somebody asked first is no secret to them.
    """

    def __init__(self, rules: ProbingRules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._budgets: OrderedDict[_Asker, _Budget] = OrderedDict()
        self._known: OrderedDict[int, None] = OrderedDict()

    def limited(self, question: Question, caller: Caller) -> Question:
        """`question` as `caller` may ask it now: exact-only when the budget is spent."""
        if question.prompt is None:
            return question
        now = self._clock()
        budgets = [self._budgets.get(asker) for asker, _ in self._askers(question, caller)]
        if any(budget is not None and budget.paused_until > now for budget in budgets):
            return replace(question, prompt=None, exact_only_reason=REASON)
        return question

    def looked(self, question: Question, found: Found, caller: Caller) -> None:
        """Charge what a lookup told `caller`."""
        near = set(self._near(found))
        for asker, per_minute in self._askers(question, caller) if near else ():
            self._spend(asker, sum(self._meets(asker, entry_id) for entry_id in near), per_minute)

    def explained(self, question: Question, found: Found, caller: Caller) -> None:
        """Charge what an explanation told `caller`: each candidate, near or not, and each time, for it has figures."""
        told = len(found.result.considered)
        for asker, per_minute in self._askers(question, caller) if told else ():
            self._spend(asker, told, per_minute)

    def served(self, question: Question, found: Found, _outcome: Outcome, _policy: Policy, caller: Caller) -> None:
        """As Follower."""
        self.looked(question, found, caller)

    def answered(self, question: Question, _found: Found, _answer: Answer, entry: Entry | None, caller: Caller) -> None:
        """As Follower."""
        if entry is not None and entry.prompt is not None:
            for asker, _ in self._askers(question, caller):
                self._meets(asker, entry.id)

    def _askers(self, question: Question, caller: Caller) -> list[tuple[_Asker, int]]:
        """Whose budgets a request is charged to, and what they hold."""
        rules = self._rules
        askers: list[tuple[_Asker, int]] = []
        if rules.per_credential:
            askers.append(((caller.tenant, caller.subject, ""), rules.per_credential))
        if rules.per_user and question.user:
            askers.append(((caller.tenant, caller.subject, question.user), rules.per_user))
        return askers

    def _near(self, found: Found) -> Iterable[str]:
        """The entries that a lookup by meaning came near, the one that it served included."""
        if isinstance(found.result, Hit) and found.result.tier is Tier.L2:
            yield found.result.entry.id
        for one in found.result.considered:
            if one.similarity >= self._rules.near_similarity:
                yield one.entry_id

    def _meets(self, asker: _Asker, entry_id: str) -> bool:
        """Note that the asker met an entry; whether for the first time."""
        meeting = hash((asker, entry_id))
        first = meeting not in self._known
        self._known[meeting] = None
        self._known.move_to_end(meeting)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return first

    def _spend(self, asker: _Asker, entries: int, per_minute: int) -> None:
        now = self._clock()
        budget = self._budgets.get(asker)
        if budget is None:
            budget = self._budgets[asker] = _Budget(float(per_minute), now)
            if len(self._budgets) > _MOST_ASKERS:
                self._budgets.popitem(last=False)
        self._budgets.move_to_end(asker)
        grown = (now - budget.filled_at) * per_minute / _MINUTE_SECONDS
        budget.tokens, budget.filled_at = min(float(per_minute), budget.tokens + grown) - entries, now
        if budget.tokens < 0:
            budget.tokens, budget.paused_until = 0.0, now + self._rules.pause_seconds
