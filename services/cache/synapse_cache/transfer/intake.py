"""Taking entries in that were made elsewhere, or before: each like an answer of one's own, and none twice."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from synapse_cache import gates, telemetry
from synapse_cache.flights.stale import stale_until
from synapse_cache.model import Place, Policy, Question
from synapse_cache.ports import StoreUnavailable
from synapse_cache.privacy.freshness import LIVES, STATIC, Life, Lives
from synapse_cache.privacy.own_affairs import about_the_caller
from synapse_cache.privacy.privacy import PersonalData, PersonalState, has_identifiers
from synapse_cache.transfer.pace import Pace
from synapse_cache.transfer.patience import patiently
from synapse_runtime.errors import Unavailable

if TYPE_CHECKING:
    from synapse_cache.invalidation.recalls import Recalls
    from synapse_cache.lookup import Stores
    from synapse_cache.model import Answer, Embedding, Entry
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.writer import Writer

_MOST_WAITING = 64
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.02
_SAME_SECONDS = 1e-5
"""Times of entries lose a little on their way through text."""
_AHEAD_SECONDS = 300.0


class Fate(StrEnum):
    """What became of an entry that was not refused."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    EXPIRED = "expired"


class Refused(Exception):
    """An entry cannot be taken in; its text says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry as it came; its tenant is the caller's, its epoch and its id are not yet given.

    With `ttl_seconds` it lives that long from now. `embedding` is its question's vector, where that came with it.
    """

    entry: Entry
    answer: Answer
    embedding: Embedding | None = None
    ttl_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What the operator decided: how many entries a second are taken in, and what may be stored and matched."""

    per_second: float = 100.0
    semantic: bool = True
    personal_data: PersonalData = PersonalData.EXACT_ONLY
    personal_state: PersonalState = PersonalState.BY_USER
    lives: Lives = LIVES


class Intake:
    """Takes entries in, one at a time; all imports of a replica share its pace."""

    def __init__(
        self,
        stores: Stores,
        writer: Writer,
        recent: RecentWrites,
        recalls: Recalls,
        thresholds: ThresholdSource,
        *,
        rules: IntakeRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = stores
        self._writer = writer
        self._recent = recent
        self._recalls = recalls
        self._thresholds = thresholds
        self._rules = rules
        self._clock = clock
        self._pace = Pace(rules.per_second)

    async def take(self, offer: Offer) -> Fate:
        """Take one entry in, when its turn has come; raises Refused, and Unavailable when a store cannot be asked."""
        entry = self._allowed(offer)
        if self._is_over(entry):
            return _counted(Fate.EXPIRED)
        await self._turn()
        try:
            known, epoch = await patiently(lambda: self._stores.exact.get(_place(entry), entry.key, stale=True))
            entry = replace(entry, epoch=epoch)
            entry = replace(entry, id=_id_of(entry))
            if self._is_known(entry, known) or await self._lies_in_vectors(entry):
                return _counted(Fate.UNCHANGED)
        except StoreUnavailable as error:
            raise Unavailable(f"a store cannot be asked: {error}", reason="STORE_UNAVAILABLE") from error
        embedding = self._fitting(offer.embedding)
        if self._writer.has_forgotten(entry.id) or self._recalls.cover(entry, embedding):
            raise Refused("it was invalidated after it was made")
        if not await self._writer.take_in(entry, embedding):
            raise Unavailable("the journal takes nothing more at the moment", reason="JOURNAL_UNAVAILABLE")
        return _counted(Fate.IMPORTED)

    def _allowed(self, offer: Offer) -> Entry:
        """The entry as it would be stored here; raises Refused when the write gates do not let it pass."""
        entry, now = offer.entry, self._clock()
        if entry.created_at > now + _AHEAD_SECONDS:
            raise Refused("it was made in the future")
        life = STATIC if entry.prompt is None else self._rules.lives.of(entry.prompt)
        question = Question(entry.key, entry.scope, entry.model, entry.prompt, None, life=life)
        reason = self._private(entry.prompt) or gates.refusal(question, offer.answer, Policy())
        if reason:
            raise Refused(f"the write gates: {reason}")
        prompt = entry.prompt if self._may_match(entry.prompt) else None
        entry = replace(entry, prompt=prompt, created_at=min(entry.created_at, now))
        return self._living(entry, life, offer.ttl_seconds)

    def _private(self, prompt: str | None) -> str:
        no_store = self._rules.personal_data is PersonalData.NO_STORE
        return "personal_data" if no_store and prompt is not None and has_identifiers(prompt) else ""

    def _may_match(self, prompt: str | None) -> bool:
        """Whether a prompt may be matched by meaning here."""
        rules = self._rules
        return (
            prompt is not None
            and rules.semantic
            and not (rules.personal_data is not PersonalData.ALLOW and has_identifiers(prompt))
            and not (rules.personal_state is not PersonalState.ALLOW and about_the_caller(prompt))
        )

    def _living(self, entry: Entry, life: Life, ttl_seconds: float | None) -> Entry:
        """`entry` with its lifetimes: its own or those asked for, within what thresholds and freshness allow."""
        if ttl_seconds is not None:
            end = self._clock() + ttl_seconds
            entry = replace(entry, expires_at=end, semantic_expires_at=end)
        thresholds, end = self._thresholds.of(entry.tenant), life.ends_at(entry.created_at)
        entry = thresholds.bounded(entry)
        expires_at = min(entry.expires_at, end)
        return replace(
            entry,
            expires_at=expires_at,
            semantic_expires_at=min(entry.semantic_expires_at, end),
            stale_until=stale_until(expires_at, thresholds) if end == math.inf else 0.0,
        )

    def _is_over(self, entry: Entry) -> bool:
        ends = entry.expires_at if entry.prompt is None else max(entry.expires_at, entry.semantic_expires_at)
        return ends <= self._clock()

    async def _turn(self) -> None:
        """Wait until an entry may be taken in: answers to requests that wait to be written come first."""
        await self._pace.turn()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while self._writer.waiting > _MOST_WAITING:  # noqa: ASYNC110  # a queue has no event for that
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            raise Unavailable("the stores take nothing at the moment", reason="STORE_UNAVAILABLE") from error

    def _is_known(self, entry: Entry, known: Entry | None) -> bool:
        """Whether the same or a later answer lies under its key."""
        recent = self._recent.get(_place(entry), entry.key, now=self._clock())
        others = (one for one in (known, recent) if one is not None and one.key == entry.key)
        return any(one.created_at >= entry.created_at - _SAME_SECONDS for one in others)

    async def _lies_in_vectors(self, entry: Entry) -> bool:
        """Whether an entry whose exact life is over, so that nothing is known of its key, was taken in before."""
        if entry.prompt is None or entry.expires_at > self._clock():
            return False
        return bool(await patiently(lambda: self._stores.vectors.present(entry.tenant, [entry.id])))

    def _fitting(self, embedding: Embedding | None) -> Embedding | None:
        """The vector, if it lies in the space that is served; another one is made anew."""
        fits = embedding is not None and embedding.fingerprint == self._stores.vectors.fingerprint
        return embedding if fits else None


def _place(entry: Entry) -> Place:
    return Place(entry.tenant, entry.namespace)


def _id_of(entry: Entry) -> str:
    """The id of an entry taken in: always the same for the same answer, and nobody else's."""
    facts = (entry.tenant, entry.namespace, str(entry.epoch), entry.key, f"{entry.created_at:.6f}")
    digest = hashlib.sha256(b"synapse-import\0")
    for fact in facts:
        digest.update(b"%d:%s" % (len(fact.encode()), fact.encode()))
    digest.update(entry.answer)
    return digest.hexdigest()[:32]


def _counted(fate: Fate) -> Fate:
    telemetry.imported(fate.value)
    return fate
