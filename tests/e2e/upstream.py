"""A backend on the OpenAI wire whose behaviour the model's name chooses, in a thread of the test process.

| model               | what it does                                                                              |
|---------------------|-------------------------------------------------------------------------------------------|
| `echo`              | answers "You said: " and the last user message                                            |
| `rich/NAME`         | the answer NAME of answers.SCENARIOS; legacy completions get answers.COMPLETION           |
| `fail/STATUS`       | an error of this HTTP status with a body and headers of its own                           |
| `once-busy`         | 429 with `retry-after-ms: 300` to the first request of each prompt, then as `echo`        |
| `slow`              | streams a word each 20 ms, 200 in all; the whole answer comes after 0.5 s                 |
| `torn`              | breaks off inside the answer                                                              |
| `late-error`        | an error object as the third event of a stream                                            |
| `far-index`         | streams a tool call of the index 4 billion                                                |
| `length` `filtered` | as `echo`, ended for the reason `length`, `content_filter`                                |
| `spender`           | as `echo`, for 60 million tokens                                                          |
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from tests.e2e import answers
from tests.support.openai_upstream import OpenAIDouble, Received

MODELS = ("echo", "slow", "torn", "late-error", "once-busy", "length", "filtered", "spender", "fail/503")
ALL_MODELS = (*MODELS, *(f"rich/{name}" for name in answers.SCENARIOS))
SLOW_WORDS = 200
SPENT_TOKENS = 60_000_000
_FINISHES = {"length": "length", "filtered": "content_filter"}


class Upstream(OpenAIDouble):
    """The double; `left` are the requests whose caller left before the end, `is_down` makes it hang up on all."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[Received] = []
        self.behaviour.models = ALL_MODELS
        self._busy: set[str] = set()

    @property
    def asked(self) -> int:
        """How many questions have arrived."""
        return sum(request.method == "POST" for request in self.requests)

    @property
    def last(self) -> Any:
        """The body of the last question."""
        return next(request.body for request in reversed(self.requests) if request.method == "POST")

    @property
    def is_down(self) -> bool:
        """Whether it hangs up on everybody."""
        return self.behaviour.hang_up

    @is_down.setter
    def is_down(self, value: bool) -> None:
        self.behaviour.hang_up = value

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        if request.path.endswith("/models"):
            return await super()._answer(request, writer)
        try:
            return await self._answer_model(request, writer)
        except asyncio.CancelledError:
            self.left.append(request)
            raise

    async def _answer_model(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        body, model = request.body, request.body["model"]
        if model.startswith("fail/"):
            return await _reply(writer, int(model.removeprefix("fail/")), *failure_of(int(model.removeprefix("fail/"))))
        if model == "once-busy" and prompt_of(body) not in self._busy:
            self._busy.add(prompt_of(body))
            return await _reply(writer, 429, _ERROR, {"retry-after-ms": "300"})
        answer = answer_of(body)
        if body.get("stream"):
            return await _stream(writer, body, answer)
        await asyncio.sleep(0.5 if model == "slow" else 0)
        return await _reply(writer, 200, orjson.dumps(answer), cut=model == "torn")


_ERROR = orjson.dumps({"error": {"message": "Slow down.", "type": "requests", "param": None, "code": "slow_down"}})


def prompt_of(body: Any) -> str:
    """The text of the question."""
    content = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    return content if isinstance(content, str) else str(content)


def answer_of(body: Any) -> dict[str, Any]:
    """The whole answer of a model that answers."""
    model = body["model"]
    if "messages" not in body:
        return answers.COMPLETION
    if model.startswith("rich/"):
        return answers.SCENARIOS[model.removeprefix("rich/")]
    if model in {"slow", "torn"}:
        return answers.text_answer(" ".join(f"w{number}" for number in range(SLOW_WORDS)))
    if model == "far-index":
        return answers.SCENARIOS["text_and_tools"]
    usage = {"prompt_tokens": 0, "completion_tokens": SPENT_TOKENS, "total_tokens": SPENT_TOKENS}
    members = {"usage": usage} if model == "spender" else {}
    return answers.text_answer(echo(prompt_of(body)), finish_reason=_FINISHES.get(model, "stop"), **members)


def echo(prompt: str) -> str:
    """What `echo` answers."""
    return f"You said: {prompt}"


def failure_of(status: int) -> tuple[bytes, dict[str, str]]:
    """A body in the provider's own form, with members that nobody here knows."""
    error = {"message": f"Provider says {status}.", "type": "their_type", "param": "their_param", "code": "their_code"}
    body = orjson.dumps({"error": error, "incident": {"id": 7}}, option=orjson.OPT_INDENT_2)
    headers = {
        "retry-after": "7",
        "x-should-retry": "false",
        "x-ratelimit-remaining-tokens": "12",
        "x-request-id": "up-9",
    }
    return body, headers


async def _reply(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False
) -> bool:
    lines = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    writer.write(_head(status, lines) + (body[: len(body) // 2] if cut else body))
    await writer.drain()
    return not cut


async def _stream(writer: asyncio.StreamWriter, body: Any, answer: dict[str, Any]) -> bool:
    include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
    for number, piece in enumerate(_pieces(body["model"], answer, include_usage=include_usage)):
        if body["model"] == "torn" and number == 3:
            await asyncio.sleep(0.05)
            return False
        await asyncio.sleep(0.02 if body["model"] == "slow" and number < SLOW_WORDS else 0)
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _pieces(model: str, answer: dict[str, Any], *, include_usage: bool) -> Iterator[bytes]:
    chunks = answers.chunks_of(answer, include_usage=include_usage)
    if model == "far-index":
        chunks = _far(chunks)
    if model in {"slow", "torn"}:
        chunks = _words(chunks, answer["choices"][0]["message"]["content"].split(" "))
    for number, chunk in enumerate(chunks):
        if model == "late-error" and number == 2:
            yield b"data: %b\n\n" % orjson.dumps({"error": {"message": "Overheated.", "type": "gpu", "code": 503}})
            return
        yield b"data: %b\n\n" % orjson.dumps(chunk)
    yield b"data: [DONE]\n\n"


def _far(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The chunks with an absurd index of their tool call."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                call["index"] = 4_000_000_000
    return chunks


def _words(chunks: list[dict[str, Any]], words: list[str]) -> list[dict[str, Any]]:
    """The chunks with the text told word by word."""
    first, last = chunks[0], [chunk for chunk in chunks if not chunk["choices"] or chunk["choices"][0]["finish_reason"]]
    texts = [words[0], *(f" {word}" for word in words[1:])]
    pieces = [{**first["choices"][0], "delta": {"content": text}} for text in texts]
    return [first, *({**first, "choices": [piece]} for piece in pieces), *last]


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Double", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """The double, listening on a free loopback port."""
    double = Upstream()
    with loop_thread() as loop:
        server = asyncio.run_coroutine_threadsafe(_listen(double), loop).result(10)
        try:
            yield double
        finally:
            asyncio.run_coroutine_threadsafe(_close(double, server), loop).result(10)


async def _listen(double: Upstream) -> asyncio.Server:
    server = await asyncio.start_server(double.connected, "127.0.0.1", 0)
    double.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    return server


async def _close(double: Upstream, server: asyncio.Server) -> None:
    server.close()
    await double.close()
