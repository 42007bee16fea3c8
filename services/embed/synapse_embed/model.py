"""What the embed service talks about: a model's card, a text as tokens, a text as a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model as callers see it; all that decides about its vector space is in the fingerprint.

    `revision` names the exact weights, `prefix` is what is put before every text, `options` are further words to the
    backend that may change its vectors, `max_tokens` is how much of a text the model sees, special tokens included.
    `aliases` are other ids that mean this model.
    """

    id: str
    backend: str
    revision: str
    dimension: int
    max_tokens: int
    pooling: str
    prefix: str = ""
    normalisation: str = "l2"
    precision: str = "fp32"
    options: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space; vectors of different fingerprints must never be compared."""
        facts: tuple[tuple[str, object], ...] = (
            ("backend", self.backend),
            ("model", self.id),
            ("revision", self.revision),
            ("dimension", self.dimension),
            ("pooling", self.pooling),
            ("prefix", self.prefix),
            ("normalisation", self.normalisation),
            ("precision", self.precision),
        )
        if self.options:
            facts = (*facts, ("options", self.options))
        return ";".join(f"{name}={_plain(value)}" for name, value in facts)

    def answers_to(self, name: str) -> bool:
        """Whether `name` means this model; the empty name does."""
        return not name or name == self.id or name in self.aliases


def _plain(value: object) -> str:
    """The value without the signs that divide facts, so that no fact can pass for another."""
    return str(value).replace("%", "%25").replace(";", "%3B").replace("=", "%3D")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model reads it: token ids, special ones included, and whether the text went on."""

    ids: Sequence[int]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Vector:
    """A text's vector: `values` are float32 in the machine's order, of unit length; `token_count` tokens made it."""

    values: bytes
    token_count: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a request gets: one vector per text, in their order, and the tokens of all of them.

    `known_count` of the texts had their vectors kept from before.
    """

    vectors: tuple[Vector, ...]
    known_count: int = 0

    @property
    def token_count(self) -> int:
        """Tokens of all texts."""
        return sum(vector.token_count for vector in self.vectors)


@dataclass(frozen=True, slots=True)
class Scores:
    """How well documents answer a query, a number for each in their order, and the tokens that were read."""

    values: tuple[float, ...]
    token_count: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document by its position in the request, with its score; higher is better."""

    index: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a request to rank gets: the documents, the best first, and the tokens that were read."""

    results: tuple[Ranked, ...]
    token_count: int
