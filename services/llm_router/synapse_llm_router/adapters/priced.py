"""Any backend, with what its answers cost written into their usage."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from synapse.llm.v1.generation_pb2 import Usage
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse
from synapse_llm_router.ports import ListedModel, Terms, Upstream
from synapse_llm_router.prices import CurrentPrices, Tokens

_LISTED_TIERS = frozenset({"", "auto", "default", "standard", "standard_only"})


class PricedUpstream:
    """`inner`, a backend of `provider`, by the table in use at the time of the answer.

    Where no price is known, and for service tiers of another price, the cost stays unset.
    """

    def __init__(self, inner: Upstream, provider: str, prices: CurrentPrices) -> None:
        self._inner = inner
        self._provider = provider
        self._prices = prices

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._inner.name

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of `inner`."""
        response = await self._inner.generate(request, model, terms)
        answer = response.generation
        if answer.HasField("usage"):
            self._price(answer.usage, answer.model, model, tier=answer.service_tier)
        return response

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer of `inner` as it comes."""
        told = tier = ""
        async with aclosing(self._inner.stream(request, model, terms)) as responses:
            async for response in responses:
                for event in response.events:
                    if event.HasField("head"):
                        told, tier = event.head.model or told, event.head.service_tier or tier
                    if event.HasField("usage"):
                        self._price(event.usage, told, model, tier=tier)
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

    def _price(self, usage: Usage, told: str, asked: str, *, tier: str) -> None:
        """Write the cost by the model that says it answered, else by the one that was asked."""
        if tier not in _LISTED_TIERS:
            return
        price = None
        for model in filter(None, (told, asked)):
            price = price or self._prices.price(model, provider=self._provider, backend=self.name)
        if price is not None:
            read, written = usage.cache_read_tokens, usage.cache_write_tokens
            usage.cost_nanos = price.nanos(Tokens(usage.prompt_tokens, usage.completion_tokens, read, written))
