"""What the embed service needs from outside: something that encodes texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from synapse_embed.model import ModelCard, Tokens, Vector


class Encoder(Protocol):
    """Turns texts into vectors, whatever does the work behind it."""

    @property
    def card(self) -> ModelCard:
        """The model that answers."""
        ...

    async def encode(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """One vector per text, in their order; a text's vector does not depend on its neighbours.

        Texts beyond the window are cut, or refused with TextTooLong when `truncate` is false. Raises Overloaded when
        too much is waiting, EncoderFailed when the model does not answer.
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
