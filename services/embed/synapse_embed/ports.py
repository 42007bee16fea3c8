"""What the embed service needs from outside: something that encodes texts, something that ranks documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from synapse_embed.model import ModelCard, Scores, Tokens, Vector


class Encoder(Protocol):
    """Turns texts into vectors, whatever does the work behind it."""

    @property
    def card(self) -> ModelCard:
        """The model that answers."""
        ...

    async def encode(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """One vector per text, in their order; a text's vector does not depend on its neighbours. No text is empty.

        Texts beyond the window are cut, or refused with TextTooLong when `truncate` is false. Raises Overloaded when
        too much is waiting, EncoderFailed when the model does not answer, EncoderDown when its backend is not there.
        """
        ...


class LocalModel(Protocol):
    """A model that computes in this process; safe to call from several threads at once."""

    @property
    def card(self) -> ModelCard:
        """The model."""
        ...

    def tokenise(self, text: str) -> Tokens:
        """The text as the model reads it, cut at the window."""
        ...

    def encode(self, batch: Sequence[Tokens]) -> list[bytes]:
        """The vectors of a batch as bytes of float32 in the machine's order; blocks, one core."""
        ...


class Backend(Protocol):
    """A model on another machine, asked a batch at a time; every call is bounded in time.

    Raises the EmbedErrors of Encoder and TooSlow, BackendMisfit, and ModelChanged for an answer that names another
    model than the last `describe`.
    """

    @property
    def batch_texts(self) -> int:
        """Most texts that it takes at once; settled by the first `describe`."""
        ...

    @property
    def doubts(self) -> int:
        """Times so far that another model may have begun to answer unseen: new connections. 0 where answers name it."""
        ...

    async def describe(self) -> ModelCard:
        """The model that answers now; it is asked for the vector of a word."""
        ...

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """The vectors of at most `batch_texts` texts, in their order, of length one."""
        ...


class Ranker(Protocol):
    """Says how well documents answer a query."""

    @property
    def model(self) -> str:
        """The id of the model that ranks."""
        ...

    def answers_to(self, name: str) -> bool:
        """Whether `name` means this model; the empty name does."""
        ...

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        """A score per document, in their order; higher is better. Raises the EmbedErrors of Encoder and TooSlow."""
        ...
