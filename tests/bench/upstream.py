"""A fast OpenAI-compatible upstream of constant answers: what the mesh and the driver ask in the benchmark.

    POST .../chat/completions   about 2 KB of JSON, or 40 events and [DONE]; every answer begins with `[key]`
    GET  .../models             the models
    GET  /calls                 how many chat completions it answered

The model `bench-paced` waits FIRST_SECONDS before its first event and EVENT_SECONDS between events, and every event
tells when it was sent (`@` and hexadecimal nanoseconds of the machine's monotonic clock).
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections import deque
from typing import Any

import httptools
import orjson
import uvloop

from tests.bench.questions import key_of

EVENTS = 40
FIRST_SECONDS = 0.010
EVENT_SECONDS = 0.005
PACED_MODEL = "bench-paced"
_ANSWER_CHARS = 1700
_FILLER = "Water boils faster with the lid on the pot. " * (_ANSWER_CHARS // 44 + 1)
_HEAD: dict[str, object] = {"id": "chatcmpl-upstream", "created": 1_700_000_000}
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"


class Calls:
    """How many chat completions were answered."""

    count = 0


class Connection(asyncio.Protocol):
    """One connection; its requests are answered in order."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[bytes, bytes]] = deque()
        self._streaming: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def connection_lost(self, _error: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._waiting.append((self._url, self._body))
        if self._streaming is None:
            self._answer()

    def _answer(self) -> None:
        while self._waiting:
            url, body = self._waiting.popleft()
            if url.endswith(b"/chat/completions"):
                asked = orjson.loads(body)
                self._calls.count += 1
                if asked.get("stream"):
                    self._streaming = asyncio.create_task(self._stream(asked))
                    return
                self._transport.write(_reply(_completion(asked)))
            elif url.endswith(b"/models"):
                self._transport.write(_reply(b'{"object":"list","data":[{"id":"bench","object":"model"}]}'))
            elif url == b"/calls":
                self._transport.write(_reply(b"%d" % self._calls.count))
            else:
                self._transport.write(_reply(b'{"error":{"message":"no such path"}}', b"404 Not Found"))

    async def _stream(self, asked: dict[str, Any]) -> None:
        paced = asked["model"] == PACED_MODEL
        send = self._transport.write
        send(_STREAM_HEAD)
        if paced:
            await self._send_paced(asked)
        else:
            send(b"".join(_event(asked, index) for index in range(EVENTS)))
        end = [_chunk(asked, [{"index": 0, "delta": {}, "finish_reason": "stop"}])]
        if (asked.get("stream_options") or {}).get("include_usage"):
            end.append(_chunk(asked, [], usage={"prompt_tokens": 15, "completion_tokens": EVENTS, "total_tokens": 55}))
        send(b"".join(end) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        self._streaming = None
        self._answer()

    async def _send_paced(self, asked: dict[str, Any]) -> None:
        due = time.monotonic() + FIRST_SECONDS
        for index in range(EVENTS):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += EVENT_SECONDS
            self._transport.write(_event(asked, index, f"@{time.monotonic_ns():x}"))


def _reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def _prompt(asked: dict[str, Any]) -> str:
    return str(asked["messages"][-1]["content"])


def _completion(asked: dict[str, Any]) -> bytes:
    content = f"[{key_of(_prompt(asked))}] {_FILLER}"[:_ANSWER_CHARS]
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    used = {"prompt_tokens": 15, "completion_tokens": 400, "total_tokens": 415}
    return orjson.dumps(
        {**_HEAD, "object": "chat.completion", "model": asked["model"], "choices": [choice], "usage": used}
    )


def _event(asked: dict[str, Any], index: int, stamp: str = "") -> bytes:
    if index == 0:
        delta = {"role": "assistant", "content": f"[{key_of(_prompt(asked))}]{stamp}"}
    else:
        delta = {"content": f" word{index}{stamp}"}
    return _chunk(asked, [{"index": 0, "delta": delta, "finish_reason": None}])


def _chunk(asked: dict[str, Any], choices: list[dict[str, Any]], **more: object) -> bytes:
    chunk = {**_HEAD, "object": "chat.completion.chunk", "model": asked["model"], "choices": choices, **more}
    event = b"data: %b\n\n" % orjson.dumps(chunk)
    return b"%x\r\n%b\r\n" % (len(event), event)


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    calls = Calls()
    server = await loop.create_server(lambda: Connection(calls), "127.0.0.1", port, backlog=1024)
    await stopping.wait()
    server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description="A mock upstream for the benchmark.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
