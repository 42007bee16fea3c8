"""What is known about pairs of a stored answer and a question: the material of bounds and of learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one namespace since it was first used; sums of two tallies are tallies.

    `hits` are those by meaning; `expected_errors` is the sum of the probabilities that they were wrong; of `audits`,
    comparisons of served answers, `audits_wrong` were found wrong and `audits_open` could not be compared.
    """

    requests: int = 0
    hits: int = 0
    expected_errors: float = 0.0
    audits: int = 0
    audits_wrong: int = 0
    audits_open: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests,
            self.hits + other.hits,
            self.expected_errors + other.expected_errors,
            self.audits + other.audits,
            self.audits_wrong + other.audits_wrong,
            self.audits_open + other.audits_open,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known about one namespace: the newest evidence, oldest first, the tally, and since when it is off.

    `strictness` is 1 where the calibration's bar holds and smaller where audits made it stricter.
    """

    evidence: tuple[Evidence, ...] = ()
    tally: Tally = field(default_factory=Tally)
    suspended_at: float | None = None
    strictness: float = 1.0
