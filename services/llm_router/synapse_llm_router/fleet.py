"""Everything that one configuration makes: its backends, the ways to them, their health checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.backend import Backend
from synapse_llm_router.catalog import Catalog, KnownModel
from synapse_llm_router.counting import estimated_tokens
from synapse_llm_router.dispatch import Dispatcher
from synapse_llm_router.health import Watch
from synapse_llm_router.ports import Closing, Terms
from synapse_runtime.background import background


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of a prompt, and the backend that was asked."""

    tokens: int
    estimated: bool
    backend: str
    provider: str


class Fleet:
    """The backends of one configuration, to be asked from inside an `async with` block."""

    def __init__(
        self,
        backends: Sequence[Backend],
        catalog: Catalog,
        dispatcher: Dispatcher,
        *,
        watches: Sequence[Watch] = (),
        closing: Sequence[Closing] = (),
    ) -> None:
        self.backends = tuple(backends)
        self.catalog = catalog
        self._dispatcher = dispatcher
        self._watches = watches
        self._closing = closing
        self._checks = AsyncExitStack()

    async def __aenter__(self) -> Self:
        work = {f"checks of {watch.backend.name}": watch.run for watch in self._watches}
        await self._checks.enter_async_context(background(**work))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def generate(self, request: GenerationRequest, terms: Terms) -> GenerateResponse:
        """The whole answer of a backend to `request`; raises SynapseError."""
        return await self._dispatcher.generate(request, terms)

    def stream(self, request: GenerationRequest, terms: Terms) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer of a backend as it comes; raises SynapseError."""
        return self._dispatcher.stream(request, terms)

    async def count_tokens(self, request: GenerationRequest, terms: Terms) -> Count:
        """Tokens of the prompt, counted by a backend or estimated; raises SynapseError."""
        counted, backend = await self._dispatcher.count_tokens(request, terms)
        tokens = estimated_tokens(request) if counted is None else counted
        return Count(tokens, counted is None, backend.name, backend.traits.provider)

    async def models(self) -> list[KnownModel]:
        """The models that can be asked, by id."""
        return await self.catalog.models()

    async def stop_checks(self) -> None:
        """Stop the health checks: another fleet takes over."""
        await self._checks.aclose()

    async def close(self) -> None:
        """Stop the health checks and close every connection."""
        await self.stop_checks()
        for one in self._closing:
            await one.close()
