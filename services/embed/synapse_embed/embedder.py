"""Answers requests: checks them, keeps the vectors of exact texts, and asks the encoder for the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synapse_embed import metrics
from synapse_embed.errors import BadRequest, EmbedError, Overloaded, TextTooLong, TooSlow, UnknownModel
from synapse_embed.kept import KeptVectors
from synapse_embed.model import Embedded, ModelCard, Vector
from synapse_embed.ports import Encoder
from synapse_embed.sharing import Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may ask for.

    At most `max_inputs` texts of `max_text_chars` characters, answered within `timeout_seconds`; `truncate` applies
    where the request says nothing; `kept_vectors` vectors are kept.
    """

    max_inputs: int = 256
    max_text_chars: int = 200_000
    timeout_seconds: float = 30.0
    truncate: bool = True
    kept_vectors: int = 50_000


class Embedder:
    """The embed service's one noun: texts in, vectors out."""

    def __init__(self, encoder: Encoder, limits: Limits, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._encoder = encoder
        self._limits = limits
        self._clock = clock
        self._kept = KeptVectors(limits.kept_vectors)
        self._sharing = Sharing(encoder, self._kept.keep)

    @property
    def card(self) -> ModelCard:
        """The model served."""
        return self._encoder.card

    @property
    def max_inputs(self) -> int:
        """Most texts of one request."""
        return self._limits.max_inputs

    async def embed(
        self, texts: Sequence[str], *, model: str = "", truncate: bool | None = None, dimensions: int | None = None
    ) -> Embedded:
        """One vector per text, in their order; raises one of the EmbedErrors."""
        started = self._clock()
        try:
            self._check(texts, model, dimensions)
            may_cut = self._limits.truncate if truncate is None else truncate
            async with asyncio.timeout(self._limits.timeout_seconds):
                embedded = await self._vectors(texts, truncate=may_cut)
        except TimeoutError as error:
            metrics.ERRORS.labels("synapse_timeout").inc()
            message = f"no vectors within {self._limits.timeout_seconds:g} s"
            raise TooSlow(message, reason="EMBED_TIMEOUT") from error
        except EmbedError as error:
            metrics.ERRORS.labels(fault(error)).inc()
            raise
        finally:
            metrics.SECONDS.observe(self._clock() - started)
        metrics.TOKENS.inc(embedded.token_count)
        return embedded

    async def warm_up(self) -> None:
        """Have the model answer once; raises EncoderFailed or TooSlow when it does not."""
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                await self._encoder.encode(["Are you there?"], truncate=True)
        except TimeoutError as error:
            raise TooSlow("the model did not answer its first text in time", reason="EMBED_TIMEOUT") from error

    def _check(self, texts: Sequence[str], model: str, dimensions: int | None) -> None:
        card, limits = self.card, self._limits
        if not card.answers_to(model):
            raise UnknownModel(
                f"there is no model {model[:200]!r}; this service has {card.id!r}", reason="UNKNOWN_MODEL"
            )
        if dimensions is not None and dimensions != card.dimension:
            message = f"{card.id} has vectors of {card.dimension} dimensions, not {dimensions}"
            raise BadRequest(message, reason="DIMENSIONS_UNSUPPORTED")
        if not texts:
            raise BadRequest("there is no input", reason="INPUTS_MISSING")
        if len(texts) > limits.max_inputs:
            message = f"{len(texts)} inputs are more than the limit of {limits.max_inputs}"
            raise BadRequest(message, reason="TOO_MANY_INPUTS")
        for index, text in enumerate(texts):
            if not text:
                raise BadRequest(f"input {index} is empty", reason="TEXT_EMPTY")
            if len(text) > limits.max_text_chars:
                message = f"input {index} has {len(text)} characters; the limit is {limits.max_text_chars}"
                raise BadRequest(message, reason="TEXT_TOO_LONG")

    async def _vectors(self, texts: Sequence[str], *, truncate: bool) -> Embedded:
        found = {text: vector for text in texts if (vector := self._kept.get(text)) is not None}
        metrics.HITS.inc(len(found))
        known_count = sum(text in found for text in texts)
        missing = list(dict.fromkeys(text for text in texts if text not in found))
        if missing:
            found |= await self._encode(missing, texts, truncate=truncate)
        embedded = Embedded(tuple(found[text] for text in texts), known_count)
        self._note_cut(embedded, truncate=truncate)
        return embedded

    def _note_cut(self, embedded: Embedded, *, truncate: bool) -> None:
        """Count the texts that were cut; a kept vector of one that may not be cut is refused here."""
        for index, vector in enumerate(embedded.vectors):
            if vector.truncated and not truncate:
                raise TextTooLong(index, self.card.max_tokens)
            metrics.TRUNCATED.inc(vector.truncated)

    async def _encode(self, missing: Sequence[str], texts: Sequence[str], *, truncate: bool) -> dict[str, Vector]:
        try:
            return await self._sharing.encode(missing, truncate=truncate)
        except TextTooLong as error:
            raise error.at(texts.index(missing[error.index])) from error


def fault(error: EmbedError) -> str:
    """The fault domain of an error, for the metrics."""
    if isinstance(error, BadRequest | UnknownModel):
        return "caller_request"
    return "synapse_" + ("overload" if isinstance(error, Overloaded) else "encoder")
