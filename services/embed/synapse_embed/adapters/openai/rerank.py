"""A backend with the rerank API that vLLM, Jina and Cohere have in common as the ranker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synapse_embed.adapters.http_client import JsonClient, invalid
from synapse_embed.adapters.openai.client import answer
from synapse_embed.adapters.tei.http import scores_by_index
from synapse_embed.model import Scores
from synapse_embed.together import together


class OpenAIRanker:
    """A Ranker over a `client`; scores are the model's own. The API has no word for cutting long texts."""

    def __init__(self, client: JsonClient, *, model: str, batch_documents: int) -> None:
        self._client = client
        self._batch = batch_documents
        self.model = model

    def answers_to(self, name: str) -> bool:
        """See Ranker."""
        return name in {"", self.model}

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:  # noqa: ARG002  # the port's
        """See Ranker; each document is judged by itself, so batches change nothing."""
        starts = range(0, len(documents), self._batch)
        parts = await together(self._part(query, documents[start : start + self._batch]) for start in starts)
        return Scores(tuple(score for part in parts for score in part.values), sum(part.token_count for part in parts))

    async def _part(self, query: str, documents: Sequence[str]) -> Scores:
        body = {"model": self.model, "query": query, "documents": list(documents), "top_n": len(documents)}
        told = answer(await self._client.post("/rerank", body))
        if not isinstance(told, dict):
            raise invalid("it is no object")
        return Scores(tuple(scores_by_index(told.get("results"), "relevance_score", len(documents))), _tokens(told))


def _tokens(told: dict[str, Any]) -> int:
    """The tokens read, where they are told."""
    usage = told.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else 0
