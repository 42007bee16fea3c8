"""Any backend, with its calls counted and timed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router import metrics
from synapse_llm_router.ports import ListedModel, Terms, Upstream


class MeasuredUpstream:
    """`inner`, measured under its name."""

    def __init__(self, inner: Upstream) -> None:
        self._inner = inner
        self._ok = metrics.UPSTREAM_SECONDS.labels(inner.name, metrics.OK)
        self._first = metrics.FIRST_EVENT_SECONDS.labels(inner.name)
        self._in_flight = metrics.IN_FLIGHT.labels(inner.name)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._inner.name

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of `inner`."""
        with self._measured():
            return await self._inner.generate(request, model, terms)

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer of `inner` as it comes."""
        started = time.perf_counter()
        waiting = True
        with self._measured():
            async with aclosing(self._inner.stream(request, model, terms)) as responses:
                async for response in responses:
                    if waiting:
                        waiting = False
                        self._first.observe(time.perf_counter() - started)
                    yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:
        """The count of `inner`."""
        return await self._inner.count_tokens(request, model, terms)

    async def list_models(self) -> Sequence[ListedModel]:
        """The models of `inner`."""
        return await self._inner.list_models()

    async def close(self) -> None:
        """Close `inner`."""
        await self._inner.close()

    @contextmanager
    def _measured(self) -> Iterator[None]:
        started = time.perf_counter()
        self._in_flight.inc()
        try:
            yield
        except BaseException as error:
            outcome = metrics.outcome_of(error)
            metrics.UPSTREAM_SECONDS.labels(self.name, outcome).observe(time.perf_counter() - started)
            raise
        else:
            self._ok.observe(time.perf_counter() - started)
        finally:
            self._in_flight.dec()
