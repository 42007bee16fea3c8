"""A health check over HTTP."""

from __future__ import annotations

from yarl import URL

from synapse_llm_router.adapters.http_client import HttpClient
from synapse_llm_router.ports import CheckFailed
from synapse_runtime.errors import SynapseError


class HttpCheck:
    """A GET of `url`; the client belongs to it. Every answer below 500 is one of a backend that could serve."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = URL(url)

    async def __call__(self) -> None:
        """Ask once; raises CheckFailed."""
        try:
            async with await self._client.send("GET", self._url) as exchange:
                status = exchange.status
                await exchange.drain()
        except SynapseError as error:
            raise CheckFailed(error.message) from error
        if status >= 500:
            raise CheckFailed(f"it answered with status {status}")

    async def close(self) -> None:
        """Close its connection."""
        await self._client.close()
