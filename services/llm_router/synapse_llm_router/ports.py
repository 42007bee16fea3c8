"""What the router needs of a backend. Failures a caller may see are errors of the mesh's tree."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import GenerationRequest
    from synapse.router.v1.router_pb2 import GenerateResponse, StreamGenerateResponse


class ListingFailed(Exception):
    """A backend could not tell its models."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one call: seconds left to the caller's deadline (None: no deadline), its id and its trace.

    `provider_key` is the caller's own key for the provider, to be used in place of the configured one.
    """

    remaining_seconds: float | None
    request_id: str
    traceparent: str | None = None
    provider_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as a backend lists it; `created` in seconds since 1970, None when it did not say."""

    id: str
    created: int | None = None


class Closing(Protocol):
    """What has connections to close."""

    async def close(self) -> None:
        """Close them; closing twice does nothing."""


class CheckFailed(Exception):
    """A backend did not answer a health check as one that can serve; the message says why, in short."""


class Upstream(Protocol):
    """One backend. `generate` and `stream` raise SynapseError, with a ProviderError detail where it answered."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    async def generate(self, request: GenerationRequest, model: str, terms: Terms) -> GenerateResponse:
        """The whole answer of its `model` to `request`."""

    def stream(
        self, request: GenerationRequest, model: str, terms: Terms
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """The answer as it comes: each response has every event that has arrived, the first one the origin.

        Ends only when the backend ended its answer properly. Closing the generator ends the call of the backend.
        """

    async def count_tokens(self, request: GenerationRequest, model: str, terms: Terms) -> int | None:
        """Tokens of the prompt; None when this backend cannot count them. Raises as `generate`."""

    async def list_models(self) -> Sequence[ListedModel]:
        """The models it serves; raises ListingFailed."""

    async def close(self) -> None:
        """Close every connection."""
