"""A TEI server with a cross-encoder as the ranker."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_embed.adapters.tei.wire import Wire
from synapse_embed.errors import BackendMisfit
from synapse_embed.model import Scores
from synapse_embed.together import together


class TeiRanker:
    """A Ranker over a `wire` to a TEI server; scores are between 0 and 1. Made by `tei_ranker`."""

    def __init__(self, wire: Wire, model: str, batch_documents: int) -> None:
        self._wire = wire
        self.model = model
        self._batch = batch_documents

    def answers_to(self, name: str) -> bool:
        """See Ranker."""
        return name in {"", self.model}

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        """See Ranker; each document is judged by itself, so batches change nothing."""
        starts = range(0, len(documents), self._batch)
        answers = await together(
            self._wire.rerank(query, documents[start : start + self._batch], truncate=truncate) for start in starts
        )
        values = tuple(score for answer in answers for score in answer.values)
        return Scores(values, sum(answer.tokens for answer in answers))


async def tei_ranker(wire: Wire, *, model: str, batch_documents: int) -> TeiRanker:
    """The ranker over a server; raises BackendMisfit when that has no reranker, or another than `model`."""
    info = await wire.info()
    if info.kind != "reranker":
        raise BackendMisfit(f"{info.model_id} is no reranker but a model of the kind {info.kind}")
    if model and info.model_id != model:
        raise BackendMisfit(f"embed.rerank.model is {model}, but the server has {info.model_id}")
    return TeiRanker(wire, info.model_id, min(batch_documents, max(1, info.batch_texts)))
