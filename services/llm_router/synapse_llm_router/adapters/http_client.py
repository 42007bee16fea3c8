"""HTTP to one backend: a pool of kept-alive connections, every wait bounded, every failure an error of our tree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from synapse_llm_router.adapters import failures
from synapse_llm_router.metrics import RETRIES
from synapse_runtime.errors import SynapseError

_STALE_SECONDS = 0.25
_DRAIN_SECONDS = 0.02
_DNS_SECONDS = 30
_READ_BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a call.

    Seconds: `connect` to get a connection, `first_byte` to the response's head and first event, `between_events` of
    silence in a body, `total` for all. Bytes: `response` of the decompressed body.
    """

    connect_seconds: float
    first_byte_seconds: float
    between_events_seconds: float
    total_seconds: float
    response_bytes: int
    connections: int
    keepalive_seconds: float


class Exchange:
    """One request with its response; leaving the block lets go of the connection, closing it inside a body."""

    def __init__(
        self, client: HttpClient, response: aiohttp.ClientResponse, *, deadline: float, last_phase: str
    ) -> None:
        self._client = client
        self._backend = client.backend
        self._limits = client.limits
        self._response = response
        self._deadline = deadline
        self._last_phase = last_phase
        self._read_bytes = 0
        self._waiting_since = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.open_exchanges -= 1
        self._disarm()
        self._response.close()  # a response read to its end has given its connection back already

    async def piece(self) -> bytes:
        """All bytes of the body that have arrived, at least one; b"" at its end. Raises SynapseError."""
        content = self._response.content
        try:
            if content.at_eof():
                return b""
            piece = content.read_nowait() or await self._next_piece()
        except TimeoutError as error:
            phase = self._last_phase if _now() >= self._deadline else "between_events"
            raise failures.late(self._backend, phase) from error
        except (aiohttp.ClientError, OSError) as error:
            piece = self._left_behind(error)
        if not self._read_bytes:
            self._disarm()  # from here on the backend has another time
        self._read_bytes += len(piece)
        if self._read_bytes > self._limits.response_bytes:
            raise failures.too_large(self._backend, self._limits.response_bytes)
        return piece

    async def body(self) -> bytes:
        """The rest of the body. Raises SynapseError."""
        length = self._response.content_length
        if length is not None and length > self._limits.response_bytes:
            raise failures.too_large(self._backend, self._limits.response_bytes)
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def beginning(self, limit: int) -> bytes:
        """The first `limit` bytes of the body, or as many as came. Never raises for a body that breaks off."""
        pieces: list[bytes] = []
        try:
            while sum(map(len, pieces)) < limit and (piece := await self.piece()):
                pieces.append(piece)
        except SynapseError:
            pass  # what came is enough to tell the error by
        return b"".join(pieces)[:limit]

    async def drain(self) -> None:
        """Wait a moment for the end of a body whose last event has come, so that the connection can be kept."""
        content = self._response.content
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not content.at_eof():
                    await content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return

    def _left_behind(self, error: Exception) -> bytes:
        """What had arrived before the connection broke; raises SynapseError when all of it has been read."""
        rest = self._response.content._read_nowait(-1)  # noqa: SLF001  # nothing public gives it once there is an error
        if not rest:
            raise failures.truncated(self._backend) from error
        return rest

    async def _next_piece(self) -> bytes:
        """Wait for more; raises TimeoutError when it takes too long.

        One timer watches over many waits: a time limit of its own for each would double the cost of a piece.
        """
        self._waiting_since = _now()
        if self._alarm is None:
            self._look()
        piece = await self._response.content.readany()
        self._waiting_since = 0.0
        return piece

    def _look(self) -> None:
        """End a wait that takes too long; otherwise look again when it would."""
        self._alarm = None
        if not self._waiting_since:
            return
        silence = self._limits.between_events_seconds if self._read_bytes else self._limits.first_byte_seconds
        left = min(self._waiting_since + silence, self._deadline) - _now()
        if left > 0:
            self._alarm = asyncio.get_running_loop().call_later(left, self._look)
        else:
            self._response.content.set_exception(TimeoutError())

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class HttpClient:
    """Requests to one backend. Redirects, cookies and proxies of the environment are not followed or used."""

    def __init__(self, backend: str, *, limits: Limits, headers: Mapping[str, str]) -> None:
        self.backend = backend
        self.limits = limits
        self.open_exchanges = 0
        connector = aiohttp.TCPConnector(
            limit=limits.connections, ttl_dns_cache=_DNS_SECONDS, keepalive_timeout=limits.keepalive_seconds
        )
        connect = limits.connect_seconds
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect),
            skip_auto_headers=("User-Agent",),
            read_bufsize=_READ_BUFFER_BYTES,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds_left: float | None = None,
    ) -> Exchange:
        """Send a request and wait for the response's head; `seconds_left` is the caller's own bound.

        Raises SynapseError. A kept-alive connection that the backend had closed meanwhile is replaced once.
        """
        total, last_phase = self.limits.total_seconds, "total"
        if seconds_left is not None and seconds_left < total:
            total, last_phase = seconds_left, "caller"
        deadline = _now() + total
        self.open_exchanges += 1
        try:
            async with asyncio.timeout(min(self.limits.first_byte_seconds, total)):
                response = await self._request(method, url, data, headers)
        except BaseException as error:
            known = self._known(error, late_in=last_phase if _now() >= deadline else "first_byte")
            self.open_exchanges -= 1
            if known is None:
                raise
            raise known from error
        return Exchange(self, response, deadline=deadline, last_phase=last_phase)

    async def _request(
        self, method: str, url: URL, data: bytes | None, headers: Mapping[str, str] | None
    ) -> aiohttp.ClientResponse:
        sent = _now()
        try:
            return await self._session.request(method, url, data=data, headers=headers, allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) or _now() - sent > _STALE_SECONDS:
                raise
            RETRIES.labels(self.backend, "stale_connection").inc()
            return await self._session.request(method, url, data=data, headers=headers, allow_redirects=False)

    def _known(self, error: BaseException, *, late_in: str) -> SynapseError | None:
        """What a failure to get a response means; None for what is not the backend's doing."""
        known: SynapseError | None = None
        match error:
            case aiohttp.ServerTimeoutError() if self.open_exchanges > self.limits.connections:
                known = failures.busy(self.backend)
            case aiohttp.ServerTimeoutError():
                known = failures.unreachable(self.backend, "connecting took too long")
            case TimeoutError():
                known = failures.late(self.backend, late_in)
            case aiohttp.ClientResponseError():
                known = failures.invalid(self.backend, "it does not speak HTTP")
            case aiohttp.ServerDisconnectedError():
                known = failures.truncated(self.backend)
            case aiohttp.ClientConnectorError():
                known = failures.unreachable(self.backend, type(error.os_error).__name__)
            case aiohttp.ClientError() | OSError():
                known = failures.unreachable(self.backend, type(error).__name__)
        return known


def _now() -> float:
    return time.monotonic()
