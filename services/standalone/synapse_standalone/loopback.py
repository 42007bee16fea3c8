"""The network as the supervisor needs it: free ports, ports in use, and small questions to local servers."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from contextlib import ExitStack, closing
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"
_ANSWER_SECONDS = 2.0
_ANSWER_BYTES = 65_536


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on, all different."""
    with ExitStack() as held:
        found = []
        for _ in range(count):
            listener = held.enter_context(closing(socket.socket()))
            listener.bind((LOOPBACK, 0))
            found.append(int(listener.getsockname()[1]))
        return found


def bind_error(host: str, port: int) -> OSError | None:
    """Why `host`:`port` cannot be listened on; None when it can."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, proto)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        return error
    return None


def in_use(error: OSError) -> bool:
    """Whether a bind failed because something listens there already."""
    return error.errno == errno.EADDRINUSE


@dataclass(frozen=True, slots=True)
class HttpReady:
    """Ready when an HTTP GET of `path` answers 200."""

    port: int
    path: str = "/ready"
    host: str = LOOPBACK

    async def __call__(self) -> bool:
        """Ask once; never raises for a server that is not there yet."""
        answer = await _get(self.host, self.port, self.path)
        return answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))


@dataclass(frozen=True, slots=True)
class MeaningReady:
    """Ready when the cache, asked through the gateway, knows the embedder: from then on it finds by meaning."""

    port: int
    key: str
    host: str = LOOPBACK

    async def __call__(self) -> bool:
        """Ask once; never raises for a server that is not there yet."""
        answer = await _get(self.host, self.port, "/api/v1/stats", f"authorization: Bearer {self.key}\r\n")
        try:
            return bool(json.loads(answer.partition(b"\r\n\r\n")[2]).get("embedder"))
        except (ValueError, AttributeError):
            return False


@dataclass(frozen=True, slots=True)
class RedisReady:
    """Ready when a Redis answers PING; one that still loads its data is not."""

    port: int
    password: str
    host: str = LOOPBACK

    async def __call__(self) -> bool:
        """Ask once; never raises for a server that is not there yet."""
        answer = await _ask(self.host, self.port, f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
        return b"+PONG" in answer


async def _get(host: str, port: int, path: str, headers: str = "") -> bytes:
    request = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\n{headers}connection: close\r\n\r\n"
    return await _ask(host, port, request.encode())


async def _ask(host: str, port: int, request: bytes) -> bytes:
    """The first bytes of a server's answer; nothing when it does not answer in time."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                return await _first_bytes(reader)
            finally:
                writer.close()
    except OSError:  # TimeoutError is one
        return b""


async def _first_bytes(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while len(found) < _ANSWER_BYTES:
        more = await reader.read(_ANSWER_BYTES)
        if not more:
            break
        found += more
    return found
