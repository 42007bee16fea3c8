"""A backend in this process that can be held, changed and broken; its vectors are the hashing model's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from synapse_embed.adapters.hashing import HashingModel
from synapse_embed.errors import EmbedError, TextTooLong
from synapse_embed.model import ModelCard, Vector


class HeldBackend:
    """Answers while it is let; remembers every batch, and how many were under way at the same time."""

    def __init__(self, *, batch_texts: int = 4) -> None:
        self._model = HashingModel()
        self.card: ModelCard = replace(self._model.card, backend="held")
        self.batch_texts = batch_texts
        self.doubts = 0
        self.go = asyncio.Event()
        self.go.set()
        self.batches: list[list[str]] = []
        self.descriptions = 0
        self.at_once = self.most_at_once = 0
        self.error: EmbedError | None = None
        self.dimension: int | None = None

    async def describe(self) -> ModelCard:
        self.descriptions += 1
        if self.error:
            raise self.error
        return self.card

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        self.batches.append(list(texts))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
        tokens = [self._model.tokenise(text) for text in texts]
        for index, one in enumerate(tokens):
            if one.truncated and not truncate:
                raise TextTooLong(index, self.card.max_tokens)
        rows = self._model.encode(tokens)
        size = None if self.dimension is None else 4 * self.dimension
        return [Vector(row[:size], len(one.ids), one.truncated) for row, one in zip(rows, tokens, strict=True)]
