"""An encoder over a model on another machine: a request in batches of the backend's size, a bounded number at a time.

A generation of the model: one that finds another model behind the backend serves no vector any more, so that vectors
of two models never go out under one fingerprint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from synapse_embed import metrics
from synapse_embed.errors import EncoderFailed, ModelChanged, Overloaded, TextTooLong
from synapse_embed.model import ModelCard, Vector
from synapse_embed.ports import Backend
from synapse_embed.together import together

_FLOAT_BYTES = 4
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLimits:
    """How much is asked of a backend.

    `calls` batches at the same time, each of `batch_texts` texts or the backend's own limit, whichever is lower;
    `queue_texts` texts may wait, those under way included.
    """

    calls: int = 4
    batch_texts: int = 32
    queue_texts: int = 2048


class RemoteEncoder:
    """An Encoder over `backend`, of which `card` was read when it had `doubts` doubts."""

    def __init__(self, backend: Backend, card: ModelCard, limits: RemoteLimits, *, doubts: int) -> None:
        self.card = card
        self.changed = asyncio.Event()
        """Set when another model was found behind the backend."""
        self._backend = backend
        self._limits = limits
        self._calls = asyncio.Semaphore(limits.calls)
        self._settled = doubts
        self._waiting = 0
        self._now: ModelCard = card

    async def encode(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Encoder."""
        if not texts:
            return []
        if self._waiting + len(texts) > self._limits.queue_texts:
            raise Overloaded(f"{self._waiting} texts are waiting already", retry_after_seconds=_RETRY_SECONDS)
        self._count(len(texts))
        try:
            return await self._in_batches([self.card.prefix + text for text in texts], truncate=truncate)
        finally:
            self._count(-len(texts))

    async def _in_batches(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        size = min(self._limits.batch_texts, self._backend.batch_texts)
        if len(texts) <= size:
            return await self._batch(texts, 0, truncate=truncate)
        starts = range(0, len(texts), size)
        batches = (self._batch(texts[start : start + size], start, truncate=truncate) for start in starts)
        return [vector for vectors in await together(batches) for vector in vectors]

    async def _batch(self, texts: Sequence[str], start: int, *, truncate: bool) -> list[Vector]:
        async with self._calls:
            metrics.BATCH_TEXTS.observe(len(texts))
            with metrics.ENCODE_SECONDS.time():
                try:
                    vectors = await self._backend.embed(texts, truncate=truncate)
                except TextTooLong as error:
                    raise error.at(start + error.index) from error
                except ModelChanged:
                    self.changed.set()
                    raise
            await self._still_the_same()
        self._check(vectors, len(texts))
        return vectors

    def _check(self, vectors: Sequence[Vector], texts: int) -> None:
        if len(vectors) != texts:
            message = f"the backend answered {len(vectors)} vectors for {texts} texts"
            raise EncoderFailed(message, reason="EMBED_BACKEND_INVALID")
        for vector in vectors:
            if len(vector.values) != _FLOAT_BYTES * self.card.dimension:
                dimension = len(vector.values) // _FLOAT_BYTES
                message = f"the backend answered a vector of {dimension} dimensions, not {self.card.dimension}"
                raise EncoderFailed(message, reason="EMBED_DIMENSION_MISMATCH")

    async def _still_the_same(self) -> None:
        """Trust an answer only when no other model may have begun to answer since the card was read."""
        doubts = self._backend.doubts
        if doubts != self._settled and not self.changed.is_set():
            self._now = await self._backend.describe()
            if self._now.fingerprint != self.card.fingerprint:
                self.changed.set()
            self._settled = doubts
        if self.changed.is_set():
            raise ModelChanged(self.card.fingerprint, self._now.fingerprint)

    def _count(self, change: int) -> None:
        self._waiting += change
        metrics.QUEUE_TEXTS.set(self._waiting)
