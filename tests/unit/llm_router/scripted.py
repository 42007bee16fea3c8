"""A double of a backend without a network: it answers, fails or hangs as a script says, call by call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, Origin, ProviderError, StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.ports import ListedModel, Terms
from synapse_runtime.errors import SynapseError

HANG = "hang"
"""Step of a script: wait until `release` is set, then answer."""


class Scripted:
    """Plays `steps` one by one, then answers properly: errors are raised, HANG hangs.

    A stream gives `events` events, and then raises `breaks_with` if that is set.
    """

    def __init__(self, name: str, *steps: SynapseError | str, events: int = 2) -> None:
        self.name = name
        self.steps = deque(steps)
        self.events = events
        self.breaks_with: SynapseError | None = None
        self.release = asyncio.Event()
        self.calls: list[tuple[str, Terms]] = []
        self.left = 0
        self.counts: int | None = None

    @property
    def asked(self) -> int:
        """How many calls there were."""
        return len(self.calls)

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        await self._step(model, terms)
        return GenerateResponse(origin=Origin(backend=self.name))

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        await self._step(model, terms)
        for _ in range(self.events):
            yield StreamGenerateResponse(origin=Origin(backend=self.name))
        if self.breaks_with is not None:
            raise self.breaks_with

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:
        await self._step(model, terms)
        return self.counts

    async def list_models(self) -> Sequence[ListedModel]:
        return []

    async def close(self) -> None:
        pass

    async def _step(self, model: str, terms: Terms) -> None:
        self.calls.append((model, terms))
        step = self.steps.popleft() if self.steps else None
        if isinstance(step, SynapseError):
            raise step
        if step == HANG:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.left += 1
                raise


def answered(status: int, message: str = "No.", *, code: str = "", **headers: str) -> SynapseError:
    """The error of a backend that answered with `status`; headers by their names with underscores."""
    body = b'{"error":{"message":"%s","code":"%s"}}' % (message.encode(), code.encode())
    return failures.answered("b", status, body, {k.replace("_", "-"): v for k, v in headers.items()}, now=0.0)


def provider(error: SynapseError) -> Any:
    """What the backend said; None where there was no answer."""
    return next((detail for detail in error.details if isinstance(detail, ProviderError)), None)
