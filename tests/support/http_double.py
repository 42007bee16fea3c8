"""What the doubles of LLM backends share: an HTTP server on bare sockets that can misbehave in every way."""

from __future__ import annotations

import asyncio
import gzip
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson


@dataclass
class Behaviour:
    """The fault switches; the defaults answer properly."""

    status: int = 200
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers, one each, before `status` counts again (OpenAI's wire)."""
    health: int = 200
    """Status of GET /health (OpenAI's wire)."""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    """Media type to claim; empty claims the right one."""
    body: bytes | None = None
    """Body in place of the right one, whole."""
    events: list[bytes] | None = None
    """Pieces of a stream's body in place of the right ones, written one by one."""
    head_delay_seconds: float = 0.0
    event_delay_seconds: float = 0.0
    end_after: int | None = None
    """Events after which the stream's body ends, properly as far as HTTP is concerned."""
    cut_after: int | None = None
    """Events after which the connection is closed inside the body; for a plain answer, bytes."""
    hang_up: bool = False
    """Close the connection in place of an answer."""
    hang_up_on_reuse: bool = False
    """Close the connection when a second request comes on it."""
    compressed: bool = False
    knows_stream_options: bool = True
    models: tuple[str, ...] = ("double",)


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class HttpDouble(ABC):
    """A double: its URL, what it received, how many connections it saw, whether one was left by the other side."""

    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests: list[Received] = []
        self.connections = 0
        self.abandoned = asyncio.Event()
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection."""
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every connection."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = 0
        try:
            while request := await _receive(reader):
                self.requests.append(request)
                served += 1
                if self.behaviour.hang_up or (self.behaviour.hang_up_on_reuse and served > 1):
                    return
                if not await self._watched(self._delayed(request, writer), reader):
                    return
        except ConnectionError:
            self.abandoned.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _watched(self, answer: Any, reader: asyncio.StreamReader) -> bool:
        """Run `answer`; returns whether the connection is to be kept. Sees at once when the other side leaves."""
        answering = asyncio.ensure_future(answer)
        leaving = asyncio.ensure_future(_left(reader))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.abandoned.set()
                return False
            return bool(answering.result())
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _delayed(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.behaviour.head_delay_seconds)
        return await self._answer(request, writer)

    @abstractmethod
    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer `request` by `_plain` or `_stream`; returns whether the connection is to be kept."""

    async def _plain(self, writer: asyncio.StreamWriter, answer: Any, *, status: int = 200) -> bool:
        """Answer with JSON, or with the body that the behaviour names."""
        how = self.behaviour
        body = how.body if how.body is not None else orjson.dumps(answer)
        headers = dict(how.headers)
        if how.compressed:
            body = gzip.compress(body)
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(body))
        writer.write(_head(status, how.content_type or "application/json", headers))
        writer.write(body if how.cut_after is None else body[: how.cut_after])
        await writer.drain()
        return how.cut_after is None

    async def _stream(self, writer: asyncio.StreamWriter, events: list[bytes]) -> bool:
        """Answer with a body of `events`, written one by one."""
        how = self.behaviour
        headers = {**how.headers, "transfer-encoding": "chunked"}
        writer.write(_head(200, how.content_type or self.stream_type, headers))
        for count, event in enumerate(events):
            if count == how.cut_after:
                await asyncio.sleep(0.05)  # what was written before arrives first
                return False
            if count == how.end_after:
                break
            await asyncio.sleep(how.event_delay_seconds)
            writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


Double = TypeVar("Double", bound=HttpDouble)


@asynccontextmanager
async def listening(double: Double, *, port: int = 0) -> AsyncIterator[Double]:
    """`double` on 127.0.0.1, by default on a free port."""
    server = await asyncio.start_server(double.connected, "127.0.0.1", port)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield double
    finally:
        server.close()
        await double.close()
        await server.wait_closed()


def _head(status: int, content_type: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Double", f"content-type: {content_type}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, orjson.loads(raw) if raw else None)


async def _left(reader: asyncio.StreamReader) -> None:
    """Return when the other side has closed; a client that waits for its answer sends nothing more."""
    while not reader.at_eof():  # noqa: ASYNC110  # the reader tells its end by no event, and reading would take bytes
        await asyncio.sleep(0.005)
