"""What the cache knows about its own errors, by namespace: counts, evidence, and whether reuse by meaning is on."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from synapse_cache.decision import Standing
from synapse_cache.decision.learning import record
from synapse_cache.feedback.kinship import Kinship
from synapse_cache.trust.evidence import LOWEST_STRICTNESS, Evidence, Record, Stretch, Tally
from synapse_cache.trust.experience import Experience
from synapse_cache.trust.news import News, Switch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synapse_cache.lookup import Found
    from synapse_cache.model import Caller, Entry, Outcome, Place, Policy, Question

Home: TypeAlias = "tuple[str, str]"
"""Tenant and namespace; what is known outlives a flush."""
MOST_EVIDENCE = 4_096
_MOST_HOMES = 10_000


class Listener(Protocol):
    """Told of everything new that this replica finds out."""

    def heard(self, home: Home, news: News) -> None:
        """`news` about the namespace `home` are known here."""


@dataclass(slots=True)
class _Known:
    tally: Tally = field(default_factory=Tally)
    evidence: deque[Evidence] = field(default_factory=lambda: deque(maxlen=MOST_EVIDENCE))
    suspended_at: float | None = None
    strictness: float = 1.0
    stretch: Stretch = field(default_factory=Stretch)
    experience: Experience = field(default_factory=Experience)


class Trust:
    """The records of every namespace seen lately, and its kinship; a listener hears of what is new here."""

    def __init__(self, kinship: Kinship | None = None) -> None:
        self.kinship = Kinship() if kinship is None else kinship
        self._homes: OrderedDict[Home, _Known] = OrderedDict()
        self._listener: Listener | None = None

    def tell(self, listener: Listener) -> None:
        """Let `listener` hear of what is new from now on."""
        self._listener = listener

    def standing(self, place: Place, *, max_error: float, floor: float) -> Standing:
        """What a decision at `place` has to keep to."""
        known = self._of(place)
        return Standing(
            max_error,
            bar=known.strictness * known.experience.budget.bar(max_error),
            floor=floor,
            suspended=known.suspended_at is not None,
            posterior=known.experience.posterior,
            record=lambda entry_id: self._entry_record(place, entry_id),
        )

    def _entry_record(self, place: Place, entry_id: str) -> float:
        known = self.kinship.known(place, entry_id)
        return record(known.confirmed, known.denied)

    def served(self, _question: Question, found: Found, _outcome: Outcome, _policy: Policy, _caller: Caller) -> None:
        """As Follower: what was looked up by meaning says how the namespace's budget is being spent."""
        if found.embedding is not None:
            self._of(found.place).experience.note(found.result.verdict)

    def answered(self, *_: object) -> None:
        """As Follower: nothing is learnt from an answer alone."""

    def keeps_alias(self, place: Place, asked: str, entry: Entry) -> bool:
        """Whether an earlier decision by meaning still holds.

        It does not where the pair was found wrong since; where the budget broke, it does only if the pair was called
        right.
        """
        if self.kinship.denied(place, asked, entry.id, entry_key=entry.key):
            return False
        if self._of(place).suspended_at is None:
            return True
        return any(relation.entry_id == entry.id for relation in self.kinship.confirmed(place, asked))

    def count(self, place: Place, tally: Tally) -> None:
        """Add to the namespace's counts."""
        known = self._of(place)
        known.tally += tally
        known.stretch = known.stretch.at(known.tally)
        self._tell(place, News(tally=tally))

    def learn(self, place: Place, evidence: Iterable[Evidence]) -> None:
        """Take verdicts in."""
        new, known = tuple(evidence), self._of(place)
        known.evidence.extend(new)
        known.experience.learn(new)
        self.kinship.learn(place, new)
        self._tell(place, News(new))

    def suspend(self, place: Place, *, at: float | None) -> None:
        """Switch reuse by meaning off since `at`, in seconds since the epoch, or on again with None.

        It begins again as strict as can be and with a stretch of its own: what broke the budget no longer counts.
        """
        known = self._of(place)
        switch = Switch(at, known.suspended_at)
        known.suspended_at = at
        if at is None:
            known.strictness, known.stretch = LOWEST_STRICTNESS, Stretch(known.tally, known.tally)
        self._tell(place, News(switch=switch))

    def tighten(self, place: Place, strictness: float) -> None:
        """Set how much stricter than the calibration the bar is: 1 is the calibration's own."""
        known = self._of(place)
        factor, known.strictness = strictness / known.strictness, strictness
        self._tell(place, News(factor=factor))

    def absorb(self, place: Place, record: Record) -> None:
        """Take in what all replicas know together; `record` holds only evidence that is new here."""
        known = self._of(place)
        known.tally, known.stretch = record.tally, record.stretch
        known.suspended_at, known.strictness = record.suspended_at, record.strictness
        known.evidence.extend(record.evidence)
        known.experience.learn(record.evidence)

    def record(self, place: Place) -> Record:
        """All that is known here about a namespace."""
        return replace(self.counts(place), evidence=tuple(self._of(place).evidence))

    def counts(self, place: Place) -> Record:
        """As `record`, without the evidence."""
        known = self._of(place)
        return Record((), known.tally, known.suspended_at, known.strictness, known.stretch)

    def learnt(self, place: Place) -> int:
        """How many pairs with a verdict are known of a namespace."""
        return len(self._of(place).evidence)

    def homes(self) -> list[Home]:
        """The tenants and namespaces known here."""
        return list(self._homes)

    def _tell(self, place: Place, news: News) -> None:
        if self._listener is not None:
            self._listener.heard((place.tenant, place.namespace), news)

    def _of(self, place: Place) -> _Known:
        home = (place.tenant, place.namespace)
        known = self._homes.get(home)
        if known is None:
            known = self._homes[home] = _Known()
            if len(self._homes) > _MOST_HOMES:
                self._homes.popitem(last=False)
        return known
