"""A double of a backend on the OpenAI wire, written on bare sockets so that it can misbehave in every way.

async with openai_double() as double:
    double.behaviour.status = 429
    ... requests to double.url ...
    assert double.requests[0].body["model"] == "m"
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
USAGE = {"prompt_tokens": 9, "completion_tokens": len(WORDS), "total_tokens": 9 + len(WORDS)}


@dataclass
class Behaviour:
    """The fault switches; the defaults answer properly."""

    status: int = 200
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


class OpenAIDouble:
    """The double: its URL, what it received, how many connections it saw, how many were left by the other side."""

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
                if not await self._watched(self._answer(request, writer), reader):
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

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        how = self.behaviour
        await asyncio.sleep(how.head_delay_seconds)
        if request.path.endswith("/models"):
            return await self._plain(writer, {"data": [{"id": name, "created": 1700000000} for name in how.models]})
        if not how.knows_stream_options and "stream_options" in request.body:
            error = {"error": {"message": "Unrecognized request argument: stream_options", "code": 400}}
            return await self._plain(writer, error, status=400)
        if request.body.get("stream") and how.status == 200 and how.body is None:
            return await self._stream(writer, how.events if how.events is not None else _events(request.body))
        return await self._plain(writer, completion_of(request.body), status=how.status)

    async def _plain(self, writer: asyncio.StreamWriter, answer: Any, *, status: int = 200) -> bool:
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
        how = self.behaviour
        headers = {**how.headers, "transfer-encoding": "chunked"}
        writer.write(_head(200, how.content_type or "text/event-stream; charset=utf-8", headers))
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


@asynccontextmanager
async def openai_double() -> AsyncIterator[OpenAIDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    double = OpenAIDouble()
    server = await asyncio.start_server(double.connected, "127.0.0.1", 0)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield double
    finally:
        server.close()
        await double.close()
        await server.wait_closed()


def sse(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n"


def completion_of(body: Any) -> dict[str, Any]:
    """The right whole answer."""
    text = "".join(WORDS)
    answer = (
        {"message": {"role": "assistant", "content": text, "refusal": None}} if "messages" in body else {"text": text}
    )
    choices = [{"index": i, **answer, "logprobs": None, "finish_reason": "stop"} for i in range(body.get("n") or 1)]
    kind = "chat.completion" if "messages" in body else "text_completion"
    return {
        "id": "up-1",
        "object": kind,
        "created": 1700000000,
        "model": body["model"],
        "choices": choices,
        "usage": USAGE,
    }


def _events(body: Any) -> list[bytes]:
    chat = "messages" in body
    head = {"id": "up-1", "created": 1700000000, "model": body["model"]}
    head["object"] = "chat.completion.chunk" if chat else "text_completion"
    chunks: list[dict[str, Any]] = []
    for index in range(body.get("n") or 1):
        for word in WORDS:
            piece: dict[str, Any] = {"delta": {"content": word}} if chat else {"text": word}
            chunks.append({**head, "choices": [{"index": index, **piece, "finish_reason": None}]})
        last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        chunks.append({**head, "choices": [{"index": index, **last, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": USAGE})
    return [*map(sse, chunks), sse(b"[DONE]")]


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
