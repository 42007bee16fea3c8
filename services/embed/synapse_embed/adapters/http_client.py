"""HTTP to one backend: JSON out, bytes in, a pool of kept-alive connections that are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from synapse_embed.errors import EncoderDown, EncoderFailed

_MAX_BODY_BYTES = 256 * 1024 * 1024
_CONNECT_SECONDS = 5
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises EncoderFailed when it is none."""
        try:
            return orjson.loads(self.body)
        except ValueError as error:
            raise invalid("its answer is not JSON") from error


def invalid(what: str) -> EncoderFailed:
    """The error for an answer that cannot be understood."""
    return EncoderFailed(f"the embedding backend's answer cannot be used: {what}", reason="EMBED_BACKEND_INVALID")


class JsonClient:
    """Requests to one backend; the caller bounds their time. Redirects, cookies and proxies are not used."""

    def __init__(self, url: str, *, headers: Mapping[str, str], connections: int) -> None:
        self.url = url
        self.connections = 0
        """Connections made so far."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", **headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            trace_configs=[trace],
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def get(self, path: str) -> Reply:
        """GET a path; raises EncoderDown when there is no answer."""
        return await self._send("GET", path, None)

    async def post(self, path: str, body: Any) -> Reply:
        """POST a JSON body; raises EncoderDown when there is no answer.

        A connection that breaks is tried once more: a backend may have closed an idle one.
        """
        data = orjson.dumps(body)
        try:
            return await self._send("POST", path, data)
        except EncoderDown as error:
            if isinstance(error.__cause__, aiohttp.ClientConnectorError | TimeoutError):
                raise
        return await self._send("POST", path, data)

    async def _send(self, method: str, path: str, data: bytes | None) -> Reply:
        try:
            async with self._session.request(method, self.url + path, data=data, allow_redirects=False) as response:
                return Reply(response.status, response.headers, await self._body(response))
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            raise invalid("it does not speak HTTP") from error
        except (aiohttp.ClientError, OSError) as error:
            raise EncoderDown(f"the embedding backend cannot be reached: {type(error).__name__}") from error

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        read = 0
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            read += len(piece)
            if read > _MAX_BODY_BYTES:
                raise invalid(f"it is longer than {_MAX_BODY_BYTES} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def _connected(self, *_about: Any) -> None:
        self.connections += 1
