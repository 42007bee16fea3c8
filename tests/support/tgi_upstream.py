"""A double of a TGI server in its native wire, with the fault switches of http_double.py.

It answers in WORDS, then ends with a special token; a stop text ends it with the token that completes that text, which
it leaves in the answer, and `max_new_tokens` after that many. Like the real one it answers /generate_stream with status
200 whatever is wrong, and tells errors as events.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from itertools import accumulate
from typing import Any

from tests.support.http_double import HttpDouble, Received, listening
from tests.support.openai_upstream import sse

WORDS = ["Hello", " there", ",", " how", " are", " you", "?"]
PROMPT_TOKENS = 26
OVERLOADED = {"error": "Model is overloaded", "error_type": "overloaded"}


class TgiDouble(HttpDouble):
    """The double; `tells_input` tells whether its streams count the prompt's tokens, as newer servers do."""

    def __init__(self) -> None:
        super().__init__()
        self.behaviour.models = ("org/model",)
        self.tells_input = True
        self.has_tokenizer = True

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        how, body = self.behaviour, request.body
        match request.path:
            case "/info":
                return await self._plain(writer, {"model_id": how.models[0], "version": "3.3.6"}, status=how.status)
            case "/tokenize" if self.has_tokenizer:
                tokens = [{"id": number, "text": text} for number, text in enumerate(body["inputs"].split())]
                return await self._plain(writer, tokens, status=how.status)
            case "/generate":
                how.headers.setdefault("x-prompt-tokens", str(PROMPT_TOKENS))
                return await self._plain(writer, _whole(body["parameters"]), status=how.status)
            case "/generate_stream" if how.status == 200 and how.body is None:
                events = list(map(sse, self._events(body["parameters"])))
                return await self._stream(writer, how.events if how.events is not None else events)
            case "/generate_stream":
                return await self._plain(writer, None, status=how.status)
        return await self._plain(writer, None, status=404)

    def _events(self, parameters: Any) -> list[dict[str, Any]]:
        if invalid := _invalid(parameters):
            return [invalid]
        tokens, details = _generated(parameters)
        counts = {"input_length": PROMPT_TOKENS} if self.tells_input else {}
        events = [event_of(token, parameters.get("top_n_tokens", 0)) for token in tokens]
        events[-1]["generated_text"] = _text(tokens)
        events[-1]["details"] = {**details, **counts, "seed": None}
        return events


def tgi_double() -> AbstractAsyncContextManager[TgiDouble]:
    """A double that listens on a free port of 127.0.0.1."""
    return listening(TgiDouble())


def token_of(text: str, *, special: bool = False) -> dict[str, Any]:
    """A token as TGI tells it."""
    return {"id": 7, "text": text, "logprob": -0.25, "special": special}


def event_of(token: dict[str, Any], top: int = 0) -> dict[str, Any]:
    """An event that is not the last."""
    likely = {"top_tokens": _top(token, top)} if top else {}
    return {"index": 1, "token": token, **likely, "generated_text": None, "details": None}


def _whole(parameters: Any) -> dict[str, Any]:
    tokens, details = _generated(parameters)
    top = parameters.get("top_n_tokens", 0)
    likely = {"top_tokens": [_top(token, top) for token in tokens]} if top else {}
    return {"generated_text": _text(tokens), "details": {**details, "prefill": [], "tokens": tokens, **likely}}


def _generated(parameters: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    tokens = [*map(token_of, WORDS), token_of("</s>", special=True)]
    reason = "eos_token"
    for count, text in enumerate(accumulate(WORDS), start=1):
        if count == parameters.get("max_new_tokens"):
            tokens, reason = tokens[:count], "length"
        elif any(text.endswith(stop) for stop in parameters.get("stop", ())):
            tokens, reason = tokens[:count], "stop_sequence"
        if reason != "eos_token":
            break
    return tokens, {"finish_reason": reason, "generated_tokens": len(tokens)}


def _invalid(parameters: Any) -> dict[str, str] | None:
    if parameters.get("temperature", 1) <= 0:
        return {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}
    if not 0 < parameters.get("top_p", 0.5) < 1:
        return {"error": "Input validation error: `top_p` must be > 0.0 and < 1.0", "error_type": "validation"}
    return None


def _top(token: dict[str, Any], count: int) -> list[dict[str, Any]]:
    return [token, {**token_of(" or"), "logprob": -1.5}][:count]


def _text(tokens: list[dict[str, Any]]) -> str:
    return "".join(token["text"] for token in tokens if not token["special"])
