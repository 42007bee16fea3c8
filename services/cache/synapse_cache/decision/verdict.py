"""What a reuse decision is asked, what it answers, and the port that every decision implements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


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

    `veto` says why it may not serve; `score` is the verifier's logit, `error` the calibrated probability of a wrong
    answer, both None where nothing asked for them; `traits` are what `error` was made of, as `learning` reads them.
    """

    candidate: Candidate
    veto: VetoReason | None = None
    score: float | None = None
    error: float | None = None
    traits: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The candidate whose answer may be served (None: a miss), why, and how the candidates were judged.

    `bar` is the largest probability of a wrong answer that could have been served; None where none was compared.
    """

    candidate: Candidate | None
    reason: str
    judged: tuple[Judged, ...] = ()
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one request by meaning: the operator's bounds, and what the namespace's history taught.

    `max_error` is the share of requests, 0 to 1, that may be answered wrongly; `floor` the cosine below which nothing
    is served; `suspended` says that the budget of errors broke and nothing may be served by meaning.
    """

    max_error: float
    floor: float = 0.0
    suspended: bool = False


class Decision(Protocol):
    """Decides whether a stored answer is right for a new prompt."""

    async def decide(self, text: str, candidates: Sequence[Candidate], standing: Standing) -> Verdict:
        """Pick the candidate to serve, if any."""
        ...
