"""Documents ranked by how well they answer a query: requests checked, scores put in order."""

from __future__ import annotations

import asyncio
import math
import operator
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synapse_embed import metrics
from synapse_embed.embedder import Embedder, fault
from synapse_embed.errors import BadRequest, EmbedError, EncoderFailed, TextTooLong, TooSlow, UnknownModel
from synapse_embed.model import Ranked, Ranking, Scores, Vector
from synapse_embed.ports import Ranker


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLimits:
    """What a request may ask for.

    At most `max_documents` documents, each text of `max_text_chars` characters, ranked within `timeout_seconds`;
    `truncate` applies where the request says nothing.
    """

    max_documents: int = 1000
    max_text_chars: int = 200_000
    timeout_seconds: float = 30.0
    truncate: bool = True


class SimilarityRanker:
    """A Ranker without a model of its own: the cosine between the query's vector and each document's.

    It knows what is near in meaning, which a cross-encoder, that reads both texts together, does better.
    """

    def __init__(self, embedder: Callable[[], Embedder]) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        """See Ranker."""
        return self._embedder().card.id

    def answers_to(self, name: str) -> bool:
        """See Ranker."""
        return self._embedder().card.answers_to(name)

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        """See Ranker; scores are between -1 and 1."""
        embedder = self._embedder()
        texts = [query, *documents]
        vectors: list[Vector] = []
        for start in range(0, len(texts), embedder.max_inputs):
            try:
                part = await embedder.embed(texts[start : start + embedder.max_inputs], truncate=truncate)
            except TextTooLong as error:
                place = start + error.index
                what = f"document {place - 1}" if place else "the query"
                message = f"{what} is longer than the model's {error.max_tokens} tokens and {error.why}"
                raise BadRequest(message, reason=error.reason) from error
            vectors += part.vectors
        asked, *found = (array("f", vector.values) for vector in vectors)
        scores = tuple(sum(map(operator.mul, asked, one)) for one in found)
        return Scores(scores, sum(vector.token_count for vector in vectors))


class Reranker:
    """The embed service's other noun: a query and documents in, the documents in order out."""

    def __init__(self, ranker: Ranker, limits: RankLimits, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._ranker = ranker
        self._limits = limits
        self._clock = clock

    @property
    def model(self) -> str:
        """The id of the model that ranks."""
        return self._ranker.model

    async def rank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        model: str = "",
        top_n: int | None = None,
        truncate: bool | None = None,
    ) -> Ranking:
        """The best `top_n` documents (None: all), the best first; raises one of the EmbedErrors."""
        started = self._clock()
        try:
            self._check(query, documents, model, top_n)
            may_cut = self._limits.truncate if truncate is None else truncate
            async with asyncio.timeout(self._limits.timeout_seconds):
                scores = await self._ranker.score(query, documents, truncate=may_cut)
            ranked = _ordered(scores, len(documents))
        except TimeoutError as error:
            metrics.ERRORS.labels("synapse_timeout").inc()
            message = f"nothing ranked within {self._limits.timeout_seconds:g} s"
            raise TooSlow(message, reason="RERANK_TIMEOUT") from error
        except EmbedError as error:
            metrics.ERRORS.labels(fault(error)).inc()
            raise
        finally:
            metrics.RERANK_SECONDS.observe(self._clock() - started)
        metrics.RERANK_DOCUMENTS.inc(len(documents))
        return Ranking(ranked[:top_n], scores.token_count)

    def _check(self, query: str, documents: Sequence[str], model: str, top_n: int | None) -> None:
        limits = self._limits
        if not self._ranker.answers_to(model):
            message = f"there is no model {model[:200]!r}; this service ranks with {self._ranker.model!r}"
            raise UnknownModel(message, reason="UNKNOWN_MODEL")
        if not documents:
            raise BadRequest("there is no document", reason="DOCUMENTS_MISSING")
        if len(documents) > limits.max_documents:
            message = f"{len(documents)} documents are more than the limit of {limits.max_documents}"
            raise BadRequest(message, reason="TOO_MANY_DOCUMENTS")
        if top_n == 0:
            raise BadRequest("top_n must be at least 1", reason="TOP_N_INVALID")
        for name, text in (("the query", query), *((f"document {i}", text) for i, text in enumerate(documents))):
            if not text:
                raise BadRequest(f"{name} is empty", reason="TEXT_EMPTY")
            if len(text) > limits.max_text_chars:
                message = f"{name} has {len(text)} characters; the limit is {limits.max_text_chars}"
                raise BadRequest(message, reason="TEXT_TOO_LONG")


def _ordered(scores: Scores, documents: int) -> tuple[Ranked, ...]:
    if len(scores.values) != documents or not all(map(math.isfinite, scores.values)):
        message = f"the ranking of {documents} documents is not {documents} numbers"
        raise EncoderFailed(message, reason="RERANK_BACKEND_INVALID")
    ranked = (Ranked(index, score) for index, score in enumerate(scores.values))
    return tuple(sorted(ranked, key=lambda one: (-one.score, one.index)))
