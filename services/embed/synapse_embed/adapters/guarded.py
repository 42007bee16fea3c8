"""A deadline and a circuit breaker around the calls to a backend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from synapse_embed.errors import EmbedError, EncoderDown, EncoderFailed, TooSlow
from synapse_embed.model import ModelCard, Scores, Vector
from synapse_embed.ports import Backend, Ranker
from synapse_runtime.guard import DependencyDown, Guard

_OPEN_SECONDS = 0.5
T = TypeVar("T")


class _Calls:
    """Runs calls within `call_seconds`; after five failures in a row nothing is asked for a while."""

    def __init__(self, name: str, call_seconds: float) -> None:
        self._guard = Guard(name, budget_seconds=call_seconds, failures=(EncoderDown, EncoderFailed, TooSlow))

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`; raises its EmbedErrors, TooSlow when it is late, EncoderDown when it is not asked."""
        try:
            return await self._guard.call(work)
        except DependencyDown as down:
            match down.__cause__:
                case EmbedError() as known:
                    raise known from down
                case TimeoutError():
                    raise self._late() from down
                case _:
                    raise EncoderDown(str(down), retry_after_seconds=_OPEN_SECONDS) from down

    async def look(self, work: Callable[[], Awaitable[T]]) -> T:
        """As `run`, but whatever the breaker says."""
        try:
            async with asyncio.timeout(self._guard.budget_seconds):
                return await work()
        except TimeoutError as error:
            raise self._late() from error

    def _late(self) -> TooSlow:
        message = f"the {self._guard.name} did not answer within {self._guard.budget_seconds:g} s"
        return TooSlow(message, reason="EMBED_BACKEND_TIMEOUT")


class GuardedBackend:
    """A Backend whose calls are bounded, and which is left alone while it is down."""

    def __init__(self, backend: Backend, *, call_seconds: float) -> None:
        self._backend = backend
        self._calls = _Calls("embedding backend", call_seconds)

    @property
    def batch_texts(self) -> int:
        """See Backend."""
        return self._backend.batch_texts

    @property
    def doubts(self) -> int:
        """See Backend."""
        return self._backend.doubts

    async def describe(self) -> ModelCard:
        """See Backend."""
        return await self._calls.look(self._backend.describe)

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Backend."""
        return await self._calls.run(lambda: self._backend.embed(texts, truncate=truncate))


class GuardedRanker:
    """A Ranker whose calls are bounded, and which is left alone while it is down."""

    def __init__(self, ranker: Ranker, *, call_seconds: float) -> None:
        self._ranker = ranker
        self._calls = _Calls("rerank backend", call_seconds)

    @property
    def model(self) -> str:
        """See Ranker."""
        return self._ranker.model

    def answers_to(self, name: str) -> bool:
        """See Ranker."""
        return self._ranker.answers_to(name)

    async def score(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        """See Ranker."""
        return await self._calls.run(lambda: self._ranker.score(query, documents, truncate=truncate))
