"""Documents are ranked by their scores, the best first, and what is refused says why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from synapse_embed.embedder import Embedder, Limits
from synapse_embed.errors import BadRequest, EncoderFailed, TooSlow, UnknownModel
from synapse_embed.model import Scores
from synapse_embed.ranking import RankLimits, Reranker, SimilarityRanker
from synapse_embed.remote import RemoteEncoder, RemoteLimits
from tests.unit.embed.backends import HeldBackend


class Lengths:
    """A Ranker to whom longer is better, or who answers what it is told."""

    model = "lengths"

    def __init__(self, *answers: float, delay_seconds: float = 0) -> None:
        self._answers = answers
        self._delay = delay_seconds
        self.truncate: list[bool] = []

    def answers_to(self, name: str) -> bool:
        return name in {"", self.model}

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        await asyncio.sleep(self._delay)
        self.truncate.append(truncate)
        return Scores(self._answers or tuple(float(len(one)) for one in documents), len(query))


def reranker(*answers: float, delay_seconds: float = 0, **limits: Any) -> Reranker:
    return Reranker(Lengths(*answers, delay_seconds=delay_seconds), RankLimits(**limits))


async def test_the_best_come_first_and_equals_in_their_order() -> None:
    ranking = await reranker().rank("q", ["bb", "a", "ccc", "dd"])
    assert [(one.index, one.score) for one in ranking.results] == [(2, 3.0), (0, 2.0), (3, 2.0), (1, 1.0)]
    assert ranking.token_count == 1


@pytest.mark.parametrize(("top_n", "kept"), [(None, 3), (1, 1), (3, 3), (99, 3)])
async def test_only_as_many_as_wanted_are_told(top_n: int | None, kept: int) -> None:
    assert len((await reranker().rank("q", ["a", "b", "c"], top_n=top_n)).results) == kept


@pytest.mark.parametrize(
    ("query", "documents", "options", "reason"),
    [
        ("", ["a"], {}, "TEXT_EMPTY"),
        ("q", [], {}, "DOCUMENTS_MISSING"),
        ("q", ["a", ""], {}, "TEXT_EMPTY"),
        ("q", ["a"] * 4, {}, "TOO_MANY_DOCUMENTS"),
        ("q", ["a", "x" * 21], {}, "TEXT_TOO_LONG"),
        ("x" * 21, ["a"], {}, "TEXT_TOO_LONG"),
        ("q", ["a"], {"top_n": 0}, "TOP_N_INVALID"),
    ],
)
async def test_what_is_refused_says_why(query: str, documents: list[str], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await reranker(max_documents=3, max_text_chars=20).rank(query, documents, **options)
    assert refused.value.reason == reason


async def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownModel, match="bge"):
        await reranker().rank("q", ["a"], model="bge-reranker")


@pytest.mark.parametrize("answers", [(1.0,), (1.0, 2.0, 3.0), (1.0, float("nan"))])
async def test_scores_that_do_not_fit_the_documents_are_refused(answers: tuple[float, ...]) -> None:
    with pytest.raises(EncoderFailed) as refused:
        await reranker(*answers).rank("q", ["a", "b"])
    assert refused.value.reason == "RERANK_BACKEND_INVALID"


async def test_a_ranker_that_does_not_answer_is_too_slow() -> None:
    with pytest.raises(TooSlow):
        await reranker(delay_seconds=5, timeout_seconds=0.02).rank("q", ["a"])


async def test_the_service_decides_about_cutting_where_the_request_is_silent() -> None:
    ranker = Lengths()
    ranking = Reranker(ranker, RankLimits(truncate=False))
    await ranking.rank("q", ["a"])
    await ranking.rank("q", ["a"], truncate=True)
    assert ranker.truncate == [False, True]


def by_similarity(backend: HeldBackend, **limits: Any) -> Reranker:
    embedder = Embedder(RemoteEncoder(backend, backend.card, RemoteLimits(), doubts=0), Limits(**limits))
    return Reranker(SimilarityRanker(lambda: embedder), RankLimits())


async def test_similarity_is_the_cosine_of_the_vectors() -> None:
    ranking = await by_similarity(HeldBackend()).rank("a cat", ["the weather in Rome", "a cat", "a cat sat"])
    assert [one.index for one in ranking.results] == [1, 2, 0]
    assert ranking.results[0].score == pytest.approx(1.0)
    assert ranking.token_count == 3 + 5 + 3 + 4


async def test_similarity_takes_more_documents_than_one_request_to_embed_may_have() -> None:
    ranking = await by_similarity(HeldBackend(), max_inputs=3).rank("q 7", [f"q {i}" for i in range(10)])
    assert len(ranking.results) == 10
    assert ranking.results[0].index == 7


async def test_a_document_that_may_not_be_cut_is_named_as_one() -> None:
    ranking = by_similarity(HeldBackend(), max_inputs=2)
    with pytest.raises(BadRequest, match="document 2 is longer"):
        await ranking.rank("q", ["a", "b", "long " * 300], truncate=False)
    with pytest.raises(BadRequest, match="the query is longer"):
        await ranking.rank("long " * 300, ["a"], truncate=False)
