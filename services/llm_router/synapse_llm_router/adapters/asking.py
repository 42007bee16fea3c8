"""Asking a backend over HTTP: what every wire does alike, from a request's headers to telling its failures apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from yarl import URL

from synapse.router.v1.router_pb2 import Origin
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.http_client import Exchange, HttpClient
from synapse_llm_router.ports import ListingFailed, Terms
from synapse_runtime import jsontext
from synapse_runtime.errors import SynapseError


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: the JSON value of its body, its headers, and where it came from."""

    value: Any
    headers: Mapping[str, str]
    origin: Origin


def bearer(key: str) -> Mapping[str, str]:
    """The headers that carry `key` as most backends want it."""
    return {"authorization": f"Bearer {key}"}


class Asker:
    """Asks one backend; the client belongs to it. `key_headers` are those that carry a caller's own key."""

    def __init__(
        self,
        backend: str,
        provider: str,
        client: HttpClient,
        *,
        key_headers: Callable[[str], Mapping[str, str]] = bearer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.backend = backend
        self._provider = provider
        self._client = client
        self._key_headers = key_headers
        self._clock = clock

    async def post(
        self, url: URL, body: bytes, terms: Terms, *, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> Exchange:
        """Send the JSON `body` on the terms of a call; raises SynapseError when there is no response."""
        sent = {"content-type": "application/json", "x-request-id": terms.request_id, **(headers or {})}
        if terms.traceparent:
            sent["traceparent"] = terms.traceparent
        if terms.provider_key:
            sent.update(self._key_headers(terms.provider_key))
        return await self._client.send(method, url, data=body, headers=sent, seconds_left=terms.remaining_seconds)

    async def answer(self, exchange: Exchange) -> Answer:
        """The whole answer in `exchange`, which must be JSON under status 200. Raises SynapseError."""
        if exchange.status != 200:
            raise await self.refusal(exchange)
        value = self.json(await exchange.body(), exchange.headers)
        return Answer(value, exchange.headers, self.origin(exchange))

    async def require_stream(self, exchange: Exchange, *media_types: str) -> None:
        """Raise the SynapseError that `exchange` means unless it has a body of one of `media_types`."""
        if exchange.status != 200 or not exchange.headers.get("content-type", "").startswith(media_types):
            raise await self.refusal(exchange)

    async def refusal(self, exchange: Exchange, *, naming: bytes = b"") -> SynapseError:
        """The error that an answer means which is not the wanted one.

        With `naming` it is raised at once unless the answer has those bytes.
        """
        body = await exchange.beginning(failures.MAX_BODY_BYTES)
        if exchange.status == 200:
            self.json(body, exchange.headers)
            return failures.invalid(self.backend, "it is not a stream of events")
        if exchange.status < 400:
            return failures.invalid(self.backend, f"status {exchange.status}")
        error = failures.answered(self.backend, exchange.status, body, exchange.headers, now=self._clock())
        if naming and naming not in body:
            raise error
        return error

    def json(self, body: bytes, headers: Mapping[str, str]) -> Any:
        """The value of the JSON `body`; raises SynapseError for what is none, and for an error object."""
        try:
            value = jsontext.load(body)
        except ValueError as error:
            raise failures.invalid(self.backend, "it is not JSON") from error
        if failures.is_error(value):
            raise failures.inside_stream(self.backend, body, headers)
        return value

    def origin(self, exchange: Exchange) -> Origin:
        """Where the answer in `exchange` comes from."""
        headers = exchange.headers
        request_id = headers.get("x-request-id") or headers.get("request-id") or ""
        return Origin(backend=self.backend, provider=self._provider, provider_request_id=request_id)

    async def listing(self, url: URL) -> Any:
        """The JSON value at `url`, where the backend tells its models; raises ListingFailed."""
        try:
            async with await self._client.send("GET", url) as exchange:
                if exchange.status != 200:
                    raise ListingFailed(f"{self.backend} answered with status {exchange.status}")
                return orjson.loads(await exchange.body())
        except (SynapseError, orjson.JSONDecodeError) as error:
            raise ListingFailed(f"{self.backend} did not list its models") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
