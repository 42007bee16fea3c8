"""One connection to the upstream: requests read, answers written at their pace.

Every answer begins with `[key]`, the key of its question; every event of a paced stream tells when it was sent (`@` and
hexadecimal nanoseconds of the machine's monotonic clock). `GET .../models` lists a model, and whatever else is no
question tells how many were answered.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import httptools
import orjson

from tests.bench.questions import key_of
from tests.bench.upstream.pace import FIRST_SECONDS, Pace, pace_of
from tests.bench.upstream.wires import Around, Script, wire_of

_ANSWER_CHARS = 1700
_FILLER = "Water boils faster with the lid on the pot. " * (_ANSWER_CHARS // 44 + 1)
_MODELS = b'{"object":"list","data":[{"id":"bench","object":"model"}]}'
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"


class Calls:
    """How many questions were answered."""

    count = 0


class Connection(asyncio.Protocol):
    """One connection; its requests are answered in order."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._streaming: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._transport: asyncio.Transport
        self._path = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's

    def connection_lost(self, _error: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._path = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._waiting.append((self._path, self._body))
        if self._streaming is None:
            self._answer()

    def _answer(self) -> None:
        while self._waiting:
            path, body = self._waiting.popleft()
            wire = wire_of(path)
            if wire is None:
                self._transport.write(_reply(_MODELS if path.endswith(b"/models") else b"%d" % self._calls.count))
                continue
            asked = orjson.loads(body)
            self._calls.count += 1
            key = f"[{key_of(wire.prompt(asked))}]"
            if wire.streams(path, asked):
                pace = pace_of(path)
                self._streaming = asyncio.create_task(self._stream(wire.script(asked, pace.events), pace, key))
                return
            self._transport.write(_reply(wire.whole(asked, f"{key} {_FILLER}"[:_ANSWER_CHARS])))

    async def _stream(self, script: Script, pace: Pace, key: str) -> None:
        self._transport.write(_STREAM_HEAD % script.media_type)
        if pace.every_seconds is None:
            words = [_piece(script.more, f" word{index}") for index in range(1, pace.events)]
            self._transport.write(b"".join([_piece(script.first, key), *words]))
        else:
            await self._send_paced(script, pace, key)
        self._transport.write(_chunk(script.end) + b"0\r\n\r\n")
        self._streaming = None
        self._answer()

    async def _send_paced(self, script: Script, pace: Pace, key: str) -> None:
        every = pace.every_seconds or 0.0
        due = time.monotonic() + (FIRST_SECONDS if every else 0.0)
        for index in range(pace.events):
            await asyncio.sleep(max(0.0, due - time.monotonic()) if every else 0.0)
            await self._room.wait()
            due += every
            stamp = f"@{time.monotonic_ns():x}"
            if index:
                self._transport.write(_piece(script.more, f" word{index}{stamp}"))
            else:
                self._transport.write(_piece(script.first, key + stamp))


def _piece(around: Around, text: str) -> bytes:
    return _chunk(orjson.dumps(text).join(around))


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
