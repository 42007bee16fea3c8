"""Where requests go and what they ask, ready to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from tests.bench.questions import Question
from tests.bench.tongues import CHAT, Tongue


@dataclass(frozen=True, slots=True)
class Ask:
    """A request ready to be sent, the bytes that a right answer has, those that any has, and its kind of question."""

    raw: bytes
    expected: bytes
    opens: bytes
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """A port of this machine, the protocol spoken there, the headers besides those of every request.

    `root` stands before every path.
    """

    port: int
    tongue: Tongue = CHAT
    headers: tuple[tuple[str, str], ...] = ()
    root: str = ""

    def post(self, path: str, body: object, expected: bytes, *, opens: bytes = b"", kind: str = "") -> Ask:
        """A POST of `body` whose right answer contains `expected`, and any answer `opens`."""
        content = orjson.dumps(body)
        lines = [f"POST {self.root}{path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        head = "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""])
        return Ask(head.encode() + content, expected, opens or expected, kind)

    def asks(
        self, questions: Iterable[Question], *, model: str = "bench", stream: bool = False, kind: str = ""
    ) -> Iterator[Ask]:
        """The questions asked of `model`."""
        tongue = self.tongue
        path, opens = tongue.path_of(stream=stream), tongue.opens_of(stream=stream) + b"["
        for question in questions:
            body = tongue.body(model, question.text, stream=stream)
            yield self.post(path, body, opens + f"{question.key}]".encode(), opens=opens, kind=kind)
