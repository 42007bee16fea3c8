"""What the two ways to a TEI server have in common: what they tell, what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from synapse_embed.errors import BadRequest

BUSY_SECONDS = 0.5
"""When to come back to a server that is overloaded, which it does not tell."""


class Refused(BadRequest):
    """The server refuses the input: it is too long, where it may not be cut."""

    def __init__(self, message: str) -> None:
        super().__init__(f"the embedding backend refuses the input: {message}", reason="EMBED_BACKEND_REFUSED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A server's model: `kind` is embedding, reranker or another word; an empty `pooling` was not told."""

    model_id: str
    model_sha: str
    dtype: str
    kind: str
    pooling: str
    max_tokens: int
    batch_texts: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """An answer: a row of numbers per text or a score per document, and the tokens that were read."""

    values: Sequence[Any]
    tokens: int


class Wire(Protocol):
    """A way to a TEI server; raises EmbedErrors, Refused among them."""

    @property
    def whole_batches(self) -> bool:
        """Whether one call takes several texts to embed."""
        ...

    @property
    def connections(self) -> int:
        """Connections made so far."""
        ...

    async def info(self) -> Info:
        """What the server runs."""
        ...

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """A row per text."""
        ...

    async def rerank(self, query: str, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """A score per text, in their order."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
