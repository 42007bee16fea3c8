"""What a reuse decision is asked, what it answers, and the port that every decision implements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from synapse_cache.decision.learning import PRIOR, Posterior


class VetoReason(StrEnum):
    """Why two prompts may not share an answer; the values are stable, they appear in headers and logs."""

    PRIVATE = "private"
    CODE = "code"
    QUOTED = "quoted"
    IDENTIFIER = "identifier"
    OTHER_LANGUAGE = "other_language"
    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    VERSION = "version"
    NEGATION = "negation"
    ANTONYM = "antonym"
    COMPARATIVE = "comparative"
    FORMAT = "format"
    LANGUAGE = "language"
    PROGRAMMING = "programming"
    ENTITY = "entity"
    SYMBOL = "symbol"
    WORDS = "words"
    QUESTION = "question"
    TENSE = "tense"
    PERSON = "person"
    ROLE = "role"
    ORDER = "order"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored prompt that the vector search proposed; `similarity` is a cosine."""

    entry_id: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate as the decision saw it.

    `veto` says why it may not serve, `doubt` what the texts leave open, `sure` that every word has its match, `denied`
    that the pair was found wrong before. `score` is the verifier's logit, `error` the calibrated probability of a wrong
    answer, both None where nothing asked for them; `traits` are what `error` was made of, as `learning` reads them.
    """

    candidate: Candidate
    veto: VetoReason | None = None
    doubt: VetoReason | None = None
    sure: bool = False
    denied: bool = False
    score: float | None = None
    error: float | None = None
    traits: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The candidate whose answer may be served (None: a miss), why, and how the candidates were judged.

    `bar` is the largest probability of a wrong answer that could have been served; None where none was compared.
    `every` is a word on each candidate, also on those that serving did not need; empty unless it was asked for.
    """

    candidate: Candidate | None
    reason: str
    judged: tuple[Judged, ...] = ()
    bar: float | None = None
    every: tuple[Judged, ...] = ()

    @property
    def best(self) -> Judged | None:
        """The candidate least likely to be wrong, served or not; None where none got a probability."""
        known = [one for one in self.judged if one.error is not None]
        return min(known, key=lambda one: one.error or 0.0, default=None)


def _no_record(_entry_id: str) -> float:
    return 0.0


def _none_denied(_entry_id: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one request by meaning: the operator's bounds, and what the namespace's history taught.

    `max_error` is the share of requests, 0 to 1, that may be answered wrongly, and `bar` the largest probability of a
    wrong answer that this leaves to one of them; `floor` is the cosine below which nothing is served. `suspended` says
    that the budget broke and nothing may be served by meaning, `strictness`, above 0 and at most 1, how much of the
    calibration's trust is left. `record` tells an entry's record, `denied` whether its pair with this request was
    found wrong.
    """

    max_error: float
    bar: float = 0.0
    floor: float = 0.0
    suspended: bool = False
    posterior: Posterior = PRIOR
    record: Callable[[str], float] = _no_record
    denied: Callable[[str], bool] = _none_denied


class Decision(Protocol):
    """Decides whether a stored answer is right for a new prompt."""

    async def decide(
        self, text: str, candidates: Sequence[Candidate], standing: Standing, *, thorough: bool = False
    ) -> Verdict:
        """Pick the candidate to serve, if any; `thorough` also asks for a word on every other one."""
        ...
