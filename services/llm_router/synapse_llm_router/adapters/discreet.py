"""Any backend, with our own keys struck out of its errors: some backends quote what they refuse."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse.router.v1.router_pb2 import GenerateResponse, ProviderError, StreamGenerateResponse
from synapse_llm_router.ports import ListedModel, Terms, Upstream
from synapse_llm_router.settings import BackendSettings
from synapse_runtime.errors import SynapseError

_STRUCK_OUT = "***"
_SECRET_WORDS = ("auth", "key", "secret", "token", "cookie")
_SHORTEST = 4  # what is shorter may be a part of any word


def secrets_of(backend: BackendSettings) -> set[str]:
    """What nobody may see of the settings: the key, and the values of headers that are named like one."""
    named = [value for name, value in backend.headers.items() if any(word in name.lower() for word in _SECRET_WORDS)]
    texts = [secret.get_secret_value().removeprefix("Bearer ").strip() for secret in (backend.api_key, *named)]
    return {text for text in texts if len(text) >= _SHORTEST}


class DiscreetUpstream:
    """`inner`, in whose errors none of `secrets` stands."""

    def __init__(self, inner: Upstream, secrets: Collection[str]) -> None:
        self._inner = inner
        self._secrets = sorted(secrets, key=len, reverse=True)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._inner.name

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of `inner`."""
        with self._discreet():
            return await self._inner.generate(request, model, terms)

    async def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer of `inner` as it comes."""
        with self._discreet():
            async with aclosing(self._inner.stream(request, model, terms)) as responses:
                async for response in responses:
                    yield response

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:
        """The count of `inner`."""
        with self._discreet():
            return await self._inner.count_tokens(request, model, terms)

    async def list_models(self) -> Sequence[ListedModel]:
        """The models of `inner`."""
        return await self._inner.list_models()

    async def close(self) -> None:
        """Close `inner`."""
        await self._inner.close()

    @contextmanager
    def _discreet(self) -> Iterator[None]:
        try:
            yield
        except SynapseError as error:
            error.message = self._struck_out(error.message)
            error.args = (error.message,)
            for detail in error.details:
                if isinstance(detail, ProviderError):
                    detail.body = self._struck_out(detail.body)
                    for name, value in detail.headers.items():
                        detail.headers[name] = self._struck_out(value)
            raise

    def _struck_out(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _STRUCK_OUT)
        return text
