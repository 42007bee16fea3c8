"""Models that can be held, watched and broken; the work itself is the hashing model's."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.model import ModelCard, Tokens


class HeldModel:
    """Runs a batch only while it is let; remembers every batch it ran."""

    def __init__(self, *, held: bool = False) -> None:
        self._model = HashingModel()
        self._go = threading.Event()
        self.batches: list[list[int]] = []
        self.broken = False
        if not held:
            self._go.set()

    @property
    def card(self) -> ModelCard:
        return self._model.card

    def tokenise(self, text: str) -> Tokens:
        return self._model.tokenise(text)

    def encode(self, batch: Sequence[Tokens]) -> list[bytes]:
        self.batches.append([len(tokens.ids) for tokens in batch])
        assert self._go.wait(timeout=10)
        if self.broken:
            raise RuntimeError("out of order")
        return self._model.encode(batch)

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()


def alone(text: str) -> bytes:
    """The text's vector when nothing else is computed with it."""
    model = HashingModel()
    return model.encode([model.tokenise(text)])[0]
