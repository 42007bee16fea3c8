"""Answers requests: checks them, keeps the vectors of exact texts, and asks the encoder for the rest."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synapse_embed import metrics
from synapse_embed.errors import BadRequest, EmbedError, TextTooLong, TooSlow, UnknownModel
from synapse_embed.model import Embedded, ModelCard, Vector
from synapse_embed.ports import Encoder


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


class KeptVectors:
    """The vectors of the texts asked for last, by exact text; all of one model and one window.

    Texts are known by their digests, so that an entry takes about 2 kB however long its text is.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._kept: OrderedDict[bytes, Vector] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Vector | None:
        """The vector of exactly this text, if it is kept."""
        key = _digest(text)
        vector = self._kept.get(key)
        if vector is not None:
            self._kept.move_to_end(key)
        return vector

    def keep(self, text: str, vector: Vector) -> None:
        """Keep a vector; the one unused for longest makes room."""
        if not self._entries:
            return
        self._kept[_digest(text)] = vector
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)


class Embedder:
    """The embed service's one noun: texts in, vectors out."""

    def __init__(self, encoder: Encoder, limits: Limits, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._encoder = encoder
        self._limits = limits
        self._clock = clock
        self._kept = KeptVectors(limits.kept_vectors)

    @property
    def card(self) -> ModelCard:
        """The model served."""
        return self._encoder.card

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
            metrics.ERRORS.labels(_fault(error)).inc()
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
        found = {text: self._kept.get(text) for text in texts}
        missing = [text for text, vector in found.items() if vector is None]
        metrics.HITS.inc(len(found) - len(missing))
        metrics.MISSES.inc(len(missing))
        if missing:
            for text, vector in zip(missing, await self._encode(missing, texts, truncate=truncate), strict=True):
                found[text] = vector
                self._kept.keep(text, vector)
        embedded = Embedded(tuple(kept for text in texts if (kept := found[text]) is not None))
        self._note_cut(embedded, truncate=truncate)
        return embedded

    def _note_cut(self, embedded: Embedded, *, truncate: bool) -> None:
        """Count the texts that were cut; a kept vector of one that may not be cut is refused here."""
        for index, vector in enumerate(embedded.vectors):
            if vector.truncated and not truncate:
                raise TextTooLong(index, self.card.max_tokens)
            metrics.TRUNCATED.inc(vector.truncated)

    async def _encode(self, missing: Sequence[str], texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        try:
            return await self._encoder.encode(missing, truncate=truncate)
        except TextTooLong as error:
            index = texts.index(missing[error.index])
            raise TextTooLong(index, self.card.max_tokens) from error


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def _fault(error: EmbedError) -> str:
    if isinstance(error, BadRequest | UnknownModel):
        return "caller_request"
    return "synapse_" + ("overload" if error.reason == "EMBED_QUEUE_FULL" else "encoder")
