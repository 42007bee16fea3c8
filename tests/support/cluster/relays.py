"""Connections passed on to pods: the addresses of Services, and ports of this machine."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

Choose = Callable[[], tuple[str, int] | None]
"""Where the next connection goes: an address and a port; None while there is no ready pod."""
CONNECT_SECONDS = 5.0
_BYTES = 256 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Relay:
    """Accepts on one socket; each connection goes to one pod for as long as it lasts."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket) -> None:
        """Accept from `listener`, which is closed with the relay."""
        self._server = await asyncio.start_server(self._serve, sock=listener)

    def close(self) -> None:
        """Accept no more; what is connected goes on."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = self._choose()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                there, back = await asyncio.open_connection(*chosen) if chosen else (None, None)
        except OSError:
            there, back = None, None
        if there is None or back is None:
            _refuse(writer)
            return
        with suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, back))
                group.create_task(_pump(there, writer))
        back.close()
        writer.close()


def listen(address: str, port: int) -> socket.socket:
    """A listening socket."""
    return socket.create_server((address, port), backlog=512)


def _refuse(writer: asyncio.StreamWriter) -> None:
    """As near to a refused connection as one that was accepted can come."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_BYTES):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except OSError:
        _refuse(sink)
