"""Finding a stored answer that may be served: by exact key, then by meaning.

A dependency that is down, slow or wrong makes a miss of a named reason, never an error.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.decision import Candidate
from synapse_cache.explaining.considering import considered
from synapse_cache.flights import stale
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.model import Considered, Hit, Miss, Place, Tier
from synapse_cache.near import NearCache
from synapse_runtime.guard import DependencyDown, Guard

if TYPE_CHECKING:
    from synapse_cache.decision import Decision, Standing
    from synapse_cache.model import Embedding, Entry, Match, Policy, Question
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.ports import Embedder, ExactStore
    from synapse_cache.reembedding.spaces import Spaces
    from synapse_cache.thresholds.thresholds import Thresholds, ThresholdSource
    from synapse_cache.trust.trust import Trust

_log = logging.getLogger("synapse.cache.lookup")
_KNOWN_EPOCHS = 10_000
_MOST_CONFIRMED = 2


@dataclass(frozen=True, slots=True)
class LookupRules:
    """How lookups by meaning work: whether at all, how many candidates are considered, and the tenants' thresholds."""

    thresholds: ThresholdSource
    semantic: bool = True
    max_candidates: int = 8


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything a lookup asks, each behind its guard."""

    exact: ExactStore
    vectors: Spaces
    embedder: Embedder
    exact_guard: Guard
    vectors_guard: Guard
    embed_guard: Guard


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup found, and what storing the answer later needs.

    `place` has the current epoch; `epoch_known` is false when it could not be had, and then nothing may be stored.
    `exact_only` is true when the prompt turned out longer than the embedder sees. `undecided` is true when only the
    exact key was looked up and meaning may still find something. `shadow` is true for a hit that is only to be decided
    and recorded, while a backend answers. `stale` is an answer past its end, should no backend have a better one;
    `previous_id` is the entry under the exact key, whether it may be served or not.
    """

    result: Hit | Miss
    place: Place
    epoch_known: bool = True
    embedding: Embedding | None = None
    embed_seconds: float | None = None
    exact_only: bool = False
    undecided: bool = False
    shadow: bool = False
    stale: Entry | None = None
    previous_id: str = ""


class Lookup:
    """Looks questions up in the stores."""

    def __init__(
        self,
        stores: Stores,
        decision: Decision,
        trust: Trust,
        recent: RecentWrites,
        rules: LookupRules,
        *,
        near: NearCache | None = None,
        recalls: Recalls | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._decision = decision
        self._trust = trust
        self._recent = recent
        self._rules = rules
        self._near = NearCache() if near is None else near
        self._recalls = Recalls() if recalls is None else recalls
        self._clock = clock
        self._epochs: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def find(self, question: Question, place: Place, policy: Policy) -> Found:
        """The best stored answer to `question` at `place` that `policy` allows."""
        found = await self.find_exact(question, place, policy)
        return await self.find_by_meaning(question, found, policy) if found.undecided else found

    async def find_exact(self, question: Question, place: Place, policy: Policy) -> Found:
        """The answer stored under the exact key, if `policy` allows it; `undecided` when meaning may find one."""
        return self._serve_near(question, place, policy) or await self._find_stored(question, place, policy)

    async def _find_stored(self, question: Question, place: Place, policy: Policy) -> Found:
        entry, place, trouble = await self._exact(question, place)
        if trouble == "epoch_unknown":
            return Found(Miss("redis_unavailable"), place, epoch_known=False)
        previous_id = entry.id if entry is not None else ""
        if policy.no_cache:
            return Found(Miss("no_cache"), place, previous_id=previous_id)
        if question.life.over_at_once:
            return Found(Miss(question.life.freshness.value), place, previous_id=previous_id)
        thresholds = self._rules.thresholds.of(place.tenant)
        aged = entry is not None and question.life.ends_at(entry.created_at) <= self._clock() < entry.expires_at
        entry = None if aged else entry
        exact = self._serve_exact(question, place, entry, policy, thresholds)
        if exact is None and not trouble:
            exact = await self._serve_confirmed(question, place, policy, thresholds)
        if exact is not None:
            if not trouble and not exact.stale:
                self._near.put(place, question.key, exact.entry, now=self._clock())
            return Found(exact, place, shadow=_in_shadow(exact, thresholds), previous_id=previous_id)
        missed = Found(
            Miss(trouble or (question.life.freshness.value if aged else question.exact_only_reason or "exact_only")),
            place,
            stale=self._if_error(question, entry, policy, thresholds),
            previous_id=previous_id,
        )
        if question.prompt is None or not self.may_match(place, policy):
            return missed
        return replace(missed, result=Miss("undecided"), undecided=True)

    async def find_by_meaning(self, question: Question, missed: Found, policy: Policy) -> Found:
        """The stored answer to another wording of `question` that the decision lets pass, after `find_exact` missed."""
        missed = replace(missed, undecided=False)
        started, place = time.perf_counter(), missed.place
        embedding = await self.embed(question.prompt or "")
        if embedding is None:
            return replace(missed, result=Miss("embed_unavailable"))
        spent = time.perf_counter() - started
        if embedding.truncated:
            return replace(missed, result=Miss("truncated"), embed_seconds=spent, exact_only=True)
        thresholds = self._rules.thresholds.of(place.tenant)
        matches, trouble = await self._matches(embedding, question, place, policy, thresholds)
        result: Hit | Miss = Miss(trouble or "no_candidate")
        if matches:
            result = await self._decide(question, place, matches, policy)
        shadow = _in_shadow(result, thresholds)
        return replace(missed, result=result, embedding=embedding, embed_seconds=spent, shadow=shadow)

    async def embed(self, text: str) -> Embedding | None:
        """The vector of a text; None while the embedder cannot be asked."""
        stores = self._stores
        try:
            return await stores.embed_guard.call(lambda: stores.embedder.embed(text))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            return None

    def may_match(self, place: Place, policy: Policy) -> bool:
        """Whether anything may be found by meaning at `place`."""
        thresholds = self._rules.thresholds.of(place.tenant)
        return self._rules.semantic and thresholds.by_meaning and _max_error(policy, thresholds) > 0

    def standing(self, place: Place, policy: Policy) -> Standing:
        """What a decision at `place` keeps to now."""
        thresholds = self._rules.thresholds.of(place.tenant)
        max_error = _max_error(policy, thresholds)
        return self._trust.standing(place, max_error=max_error, floor=thresholds.hit_similarity)

    def remember_epoch(self, place: Place) -> None:
        """Note a namespace's current epoch, for when the exact store is not asked; it never falls."""
        home = (place.tenant, place.namespace)
        self._epochs[home] = max(place.epoch, self._epochs.get(home, 0))
        if len(self._epochs) > _KNOWN_EPOCHS:
            self._epochs.popitem(last=False)

    def begin_epoch(self, tenant: str, namespace: str | None, epoch: int) -> None:
        """Note that a flush began an epoch of a namespace, or of all of the tenant's."""
        for home in list(self._epochs) if namespace is None else [(tenant, namespace)]:
            if home[0] == tenant:
                self.remember_epoch(Place(*home, epoch))

    def _serve_near(self, question: Question, place: Place, policy: Policy) -> Found | None:
        """What the near cache may answer without asking anybody."""
        entry = None if policy.no_cache else self._near.get(place, question.key, now=self._clock())
        if entry is None or self._epochs.get((place.tenant, place.namespace)) != entry.epoch:
            return None
        if question.life.ends_at(entry.created_at) <= self._clock():
            return None
        if self._recent.replaces(place, question.key, entry.id):
            return None
        thresholds = self._rules.thresholds.of(place.tenant)
        hit = self._serve_exact(question, place, entry, policy, thresholds)
        if hit is None or hit.stale:
            return None
        place = replace(place, epoch=entry.epoch)
        shadow = _in_shadow(hit, thresholds)
        return Found(replace(hit, tier=Tier.L0), place, shadow=shadow, previous_id=entry.id)

    async def _exact(self, question: Question, place: Place) -> tuple[Entry | None, Place, str]:
        """The entry of the exact key, the place with its epoch, and what went wrong."""
        stores, trouble = self._stores, ""
        known = replace(place, epoch=self._epochs.get((place.tenant, place.namespace), 0))
        try:
            entry, epoch = await stores.exact_guard.call(lambda: stores.exact.get(known, question.key, stale=True))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            if not known.epoch:
                return None, place, "epoch_unknown"
            entry, epoch, trouble = None, known.epoch, "redis_unavailable"
        if epoch != place.epoch:
            place = replace(place, epoch=epoch)
        if not trouble:
            self.remember_epoch(place)
        now = self._clock()
        if entry is None or not entry.belongs_to(place):
            entry = self._recent.get(place, question.key, now=now)
        elif entry.expires_at <= now:
            entry = self._recent.get(place, question.key, now=now) or entry
        return entry, place, trouble

    def _serve_exact(
        self, question: Question, place: Place, entry: Entry | None, policy: Policy, thresholds: Thresholds
    ) -> Hit | None:
        now = self._clock()
        entry = thresholds.bounded(entry) if entry is not None else None
        if (
            entry is None
            or self._recalls.cover(entry)
            or _too_old(entry.created_at, policy, now)
            or question.life.ends_at(entry.created_at) <= now
        ):
            return None
        if entry.expires_at <= now:
            revalidates = entry.key == question.key and stale.while_revalidating(entry, thresholds, now=now)
            return Hit(entry, Tier.L1, 1.0, stale.WHILE_REVALIDATING, stale=True) if revalidates else None
        if entry.key == question.key:
            return Hit(entry, Tier.L1, 1.0, "exact")
        foreign = not question.scope or entry.scope != question.scope  # nobody may have decided that this is the same
        stricter = policy.max_error is not None and policy.max_error < thresholds.max_error  # than who decided it
        if foreign or stricter or not self._trust.keeps_alias(place, question.key, entry):
            return None
        return Hit(entry, Tier.L1, None, "alias")

    async def _serve_confirmed(
        self, question: Question, place: Place, policy: Policy, thresholds: Thresholds
    ) -> Hit | None:
        """An answer that was called right for this wording, although no alias of it leads there any more."""
        stores = self._stores
        for relation in self._trust.kinship.confirmed(place, question.key)[:_MOST_CONFIRMED]:
            try:
                entry, _ = await stores.exact_guard.call(partial(stores.exact.get, place, relation.entry_key))
            except DependencyDown as down:
                telemetry.dependency_failed(down.name)
                return None
            if entry is not None and entry.id == relation.entry_id and entry.belongs_to(place):
                return self._serve_exact(question, place, entry, policy, thresholds)
        return None

    def _if_error(
        self, question: Question, entry: Entry | None, policy: Policy, thresholds: Thresholds
    ) -> Entry | None:
        """What may be served should the backends fail."""
        now = self._clock()
        if entry is None or entry.key != question.key or _too_old(entry.created_at, policy, now):
            return None
        if self._recalls.cover(entry):
            return None
        entry = thresholds.bounded(entry)
        return entry if stale.if_error(entry, thresholds, policy, now=now) else None

    async def _matches(
        self, embedding: Embedding, question: Question, place: Place, policy: Policy, thresholds: Thresholds
    ) -> tuple[list[Match], str]:
        """What might serve, most similar first, and what went wrong."""
        now, rules, stores, trouble = self._clock(), self._rules, self._stores, ""
        lowest = thresholds.partial_similarity
        matches = self._recent.search(embedding, place=place, scope=question.scope, min_similarity=lowest, now=now)
        try:
            matches += await stores.vectors_guard.call(
                lambda: stores.vectors.search(
                    embedding,
                    place=place,
                    scope=question.scope,
                    limit=rules.max_candidates,
                    min_similarity=lowest,
                    now=now,
                )
            )
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            trouble = "vectors_unavailable"
        oldest = now - thresholds.semantic_ttl_seconds
        fresh = [
            match for match in matches if match.created_at > oldest and not _too_old(match.created_at, policy, now)
        ]
        unique = {match.entry_id: match for match in fresh if question.life.ends_at(match.created_at) > now}
        if fresh and not unique:
            trouble = trouble or question.life.freshness.value
        newest_of_equals = sorted(unique.values(), key=lambda match: (-match.similarity, -match.created_at))
        best = newest_of_equals[: rules.max_candidates]
        return best, trouble

    async def _decide(self, question: Question, place: Place, matches: list[Match], policy: Policy) -> Hit | Miss:
        denied = [match for match in matches if self._is_denied(place, question, match)]
        matches = [match for match in matches if match not in denied] if denied else matches
        wrong = tuple(Considered(one.entry_id, one.prompt, one.similarity, reason="denied") for one in denied)
        if not matches:
            return Miss("denied", wrong)
        candidates = [Candidate(match.entry_id, match.prompt, match.similarity) for match in matches]
        standing = self.standing(place, policy)
        verdict = await self._decision.decide(question.prompt or "", candidates, standing, thorough=policy.thorough)
        chosen, entry = verdict.candidate, None
        _log.debug(
            "decided",
            extra={"verdict": verdict.reason, "candidates": len(matches), "best": round(matches[0].similarity, 4)},
        )
        if chosen is not None:
            match = next(match for match in matches if match.entry_id == chosen.entry_id)
            entry = await self._entry(question, place, match)
        gone = chosen is not None and entry is None
        every = considered(candidates, verdict, standing, gone=gone) + wrong
        if chosen is None or entry is None:
            return Miss("entry_gone" if gone else verdict.reason, every, verdict)
        return Hit(entry, Tier.L2, chosen.similarity, verdict.reason, every, verdict)

    def _is_denied(self, place: Place, question: Question, match: Match) -> bool:
        """Whether the answer is known to be wrong for this wording."""
        return self._trust.kinship.denied(place, question.key, match.entry_id, entry_key=match.key)

    async def _entry(self, question: Question, place: Place, match: Match) -> Entry | None:
        """The whole entry behind `match`, checked once more against the place and the scope that it must be of."""
        entry = self._recent.get(place, match.key, now=self._clock())
        if entry is None:
            entry = await self._stored_entry(place, match)
        if entry is None or not entry.belongs_to(place) or entry.scope != question.scope or entry.key != match.key:
            return None
        if self._recalls.cover(entry):
            return None
        entry = self._rules.thresholds.of(place.tenant).bounded(entry)
        return entry if entry.semantic_expires_at > self._clock() else None

    async def _stored_entry(self, place: Place, match: Match) -> Entry | None:
        stores = self._stores
        try:
            entry, _ = await stores.exact_guard.call(lambda: stores.exact.get(place, match.key))
            if entry is not None and entry.key == match.key:
                return entry
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
        try:
            return await stores.vectors_guard.call(lambda: stores.vectors.fetch(place.tenant, match.entry_id))
        except DependencyDown as down:
            telemetry.dependency_failed(down.name)
            return None


def _max_error(policy: Policy, thresholds: Thresholds) -> float:
    """The operator's bound, or the caller's where it is stricter."""
    return thresholds.max_error if policy.max_error is None else min(policy.max_error, thresholds.max_error)


def _in_shadow(result: Hit | Miss, thresholds: Thresholds) -> bool:
    """Whether `result` is a hit by meaning, decided now or earlier, that is not to be served."""
    return thresholds.shadow and isinstance(result, Hit) and (result.tier is Tier.L2 or result.reason == "alias")


def _too_old(created_at: float, policy: Policy, now: float) -> bool:
    return policy.max_age_seconds is not None and now - created_at > policy.max_age_seconds
