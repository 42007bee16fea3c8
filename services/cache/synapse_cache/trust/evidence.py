"""What is known about pairs of a stored answer and a question: the material of bounds and of learning."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, fields
from enum import StrEnum

STRETCH_AUDITS = 1_000
LOWEST_STRICTNESS = 1 / 64
"""What control may set the strictness to at worst, and what a namespace begins with after a suspension."""


class Source(StrEnum):
    """Where a verdict comes from."""

    AUDIT = "audit"
    """A hit whose answer was compared with a fresh one."""
    MISS = "miss"
    """A miss whose fresh answer was compared with that of the best candidate, which was not served."""
    FEEDBACK = "feedback"
    """Somebody said so."""
    JUDGE = "judge"
    """A language model said so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether the answer of the entry `entry_id` is right for another question.

    `asked` is the exact key of that question and `asked_id` the entry of its own answer, empty where there is none;
    `entry_key` is the exact key that the entry answers by itself, empty where it is not known: with it, what is learnt
    holds for later answers to that wording, too;
    `traits` are what the decision saw of the pair, as in `Judged`; `served` says that the answer was served; `at` is in
    seconds since the epoch.
    """

    source: Source
    entry_id: str
    asked: str
    same: bool
    at: float
    asked_id: str = ""
    served: bool = False
    traits: tuple[float, ...] = ()
    entry_key: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one namespace since it was first used; sums of two tallies are tallies.

    `hits` are those by meaning; `expected_errors` is the sum of the probabilities that they were wrong; of `audits`,
    comparisons of served answers, `audits_wrong` were found wrong and `audits_open` could not be compared. `shadows`
    are comparisons of answers that would have been served by meaning and were not, `shadows_wrong` those found wrong.
    """

    requests: int = 0
    hits: int = 0
    expected_errors: float = 0.0
    audits: int = 0
    audits_wrong: int = 0
    audits_open: int = 0
    shadows: int = 0
    shadows_wrong: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(operator.add, _COUNTS(self), _COUNTS(other)))

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*map(operator.sub, _COUNTS(self), _COUNTS(other)))

    @property
    def audits_closed(self) -> int:
        """Audits that came to a verdict."""
        return self.audits - self.audits_open


_COUNTS = operator.attrgetter(*(count.name for count in fields(Tally)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where the counting of errors began: the tally at that moment, and the one that will take its place.

    Bounds look at what came since `begun`, so that years of right answers cannot hide a new fault: after every
    `STRETCH_AUDITS` audits `following` becomes `begun`, and a bound rests on that many to twice as many.
    """

    begun: Tally = field(default_factory=Tally)
    following: Tally = field(default_factory=Tally)

    def at(self, tally: Tally) -> Stretch:
        """The stretch once the namespace's counts are `tally`."""
        if tally.audits - self.following.audits < STRETCH_AUDITS:
            return self
        return Stretch(self.following, tally)


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known about one namespace: the newest evidence, oldest first, the tally, and since when it is off.

    `strictness` is 1 where the calibration's bar holds and smaller where audits made it stricter.
    """

    evidence: tuple[Evidence, ...] = ()
    tally: Tally = field(default_factory=Tally)
    suspended_at: float | None = None
    strictness: float = 1.0
    stretch: Stretch = field(default_factory=Stretch)

    @property
    def recent(self) -> Tally:
        """The counts that bounds are made of."""
        return self.tally - self.stretch.begun
