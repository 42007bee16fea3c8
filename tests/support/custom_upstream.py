"""A double of a backend with a protocol that nobody else speaks, with the fault switches of http_double.py.

POST /models/NAME/ask takes {"question", "knobs"} and answers {"said": {"text", "why"}, "meter": {"in", "out"}};
POST /models/NAME/ask-live streams lines {"piece"} and at last {"over": true, "why", "meter"}.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from tests.support.http_double import HttpDouble, Received, listening
from tests.support.ollama_upstream import WORDS, ndjson

METER = {"in": 11, "out": len(WORDS)}
MAPPING: dict[str, Any] = {
    "path": "/models/{model}/ask",
    "headers": {"x-call": "{request_id}"},
    "key_header": "x-secret: {key}",
    "body": {
        "question": "Q: {prompt}",
        "knobs": {"heat": "{temperature}", "most": "{max_tokens}", "ends": "{stop}"},
        "tags": ["mesh", "{user}"],
        "shape": "{schema}",
        "note": "{{{model}}}",
    },
    "answer": {
        "text": "/said/text",
        "finish_reason": "/said/why",
        "prompt_tokens": "/meter/in",
        "completion_tokens": "/meter/out",
    },
    "stream": {
        "framing": "ndjson",
        "path": "/models/{model}/ask-live",
        "text": "/piece",
        "done": "/over",
        "finish_reason": "/why",
        "prompt_tokens": "/meter/in",
        "completion_tokens": "/meter/out",
    },
    "finish_reasons": {"finished": "stop", "too long": "length"},
    "error": "/sorry",
}


class CustomDouble(HttpDouble):
    """The double; `why` is its word for why the answer ended."""

    stream_type = "application/x-ndjson"

    def __init__(self) -> None:
        super().__init__()
        self.why: Any = "finished"

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        how = self.behaviour
        if request.path.endswith("/ask-live") and how.status == 200 and how.body is None:
            last = {"over": True, "why": self.why, "meter": METER}
            lines = [*({"piece": word} for word in WORDS), {"beat": 1}, last]
            return await self._stream(writer, how.events if how.events is not None else list(map(ndjson, lines)))
        answer = {"said": {"text": "".join(WORDS), "why": self.why}, "meter": METER}
        return await self._plain(writer, answer, status=how.status)


def custom_double() -> AbstractAsyncContextManager[CustomDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(CustomDouble())
