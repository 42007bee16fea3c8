"""Doubles of backends in a thread of the test process, and what each fault looks like on their wires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.e2e.upstream import loop_thread
from tests.support import anthropic_upstream, ollama_upstream, openai_upstream, tgi_upstream
from tests.support.anthropic_upstream import anthropic_double, begin_text, text_event
from tests.support.ollama_upstream import line_of, ndjson, ollama_double
from tests.support.openai_upstream import openai_double, sse
from tests.support.tgi_upstream import event_of, tgi_double, token_of

SECONDS = 10
Double = TypeVar("Double")


@contextmanager
def in_thread(make: Callable[[], AbstractAsyncContextManager[Double]]) -> Iterator[Double]:
    """The double that `make` makes, served by an event loop in a thread."""
    with loop_thread() as loop:
        manager = make()
        double = asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(SECONDS)
        try:
            yield double
        finally:
            asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(SECONDS)


@dataclass(frozen=True)
class Wire:
    """A double, how the mesh is told of it, and its words for what goes wrong."""

    name: str
    make: Callable[[], AbstractAsyncContextManager[Any]]
    settings: dict[str, Any]
    text: str
    """What it answers properly."""
    refusal: bytes
    """The body of an error that says "Overheated."."""
    first: bytes
    """The first piece of a stream."""
    late: bytes
    """A piece of a stream that says "Overheated."."""
    garbage: bytes
    """A piece of a stream that is none."""


_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "double"}
WIRES = (
    Wire(
        "openai",
        openai_double,
        {"provider": "openai", "models": ["openai=double"]},
        "".join(openai_upstream.WORDS),
        b'{"error": {"message": "Overheated.", "type": "gpu", "param": null, "code": "hot"}}',
        sse({**_CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}),
        sse({"error": {"message": "Overheated.", "type": "gpu", "code": 503}}),
        sse(b"<html>"),
    ),
    Wire(
        "anthropic",
        anthropic_double,
        {"provider": "anthropic", "models": ["anthropic=double"]},
        "".join(anthropic_upstream.WORDS),
        b'{"type": "error", "error": {"type": "api_error", "message": "Overheated."}, "request_id": "req_1"}',
        begin_text() + text_event("Hel"),
        anthropic_upstream.sse(anthropic_upstream.error("overloaded_error", "Overheated.")),
        b"event: content_block_delta\ndata: <html>\n\n",
    ),
    Wire(
        "ollama",
        ollama_double,
        {"provider": "ollama", "models": ["ollama=m"]},
        "".join(ollama_upstream.WORDS),
        b'{"error": "Overheated."}',
        ndjson(line_of({"content": "Hel"})),
        ndjson({"error": "Overheated."}),
        b"<html>\n",
    ),
    Wire(
        "tgi",
        tgi_double,
        {"provider": "tgi", "api_type": "tgi", "models": ["tgi=org/model"]},
        "".join(tgi_upstream.WORDS),
        b'{"error": "Overheated.", "error_type": "generation"}',
        sse(event_of(token_of("Hel"))),
        sse({"error": "Overheated.", "error_type": "generation"}),
        sse(b"<html>"),
    ),
)
