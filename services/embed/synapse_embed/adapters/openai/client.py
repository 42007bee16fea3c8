"""Requests to a backend of OpenAI's kind, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from synapse_embed.adapters.http_client import JsonClient, Reply
from synapse_embed.errors import (
    BackendMisfit,
    BadRequest,
    EmbedError,
    EncoderDown,
    EncoderFailed,
    Overloaded,
    TooSlow,
)

_OK = 200
_BUSY_SECONDS = 1.0
_MAX_MESSAGE = 500
_VERSION = re.compile(r"v\d+[a-z0-9]*", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context.?length|context.?window|too (long|large)|(maximum|max|exceed)\w*.{0,40}(token|length)", re.IGNORECASE
)


class TooLong(BadRequest):
    """The backend refuses an input, of which it does not tell the place, as longer than its window."""

    def __init__(self, message: str) -> None:
        super().__init__(f"the embedding backend refuses the input: {message}", reason="TEXT_TOO_LONG")


def base_url(endpoint: str) -> str:
    """The endpoint, ending in /v1 unless its path names a version already."""
    versioned = any(_VERSION.fullmatch(segment) for segment in urlsplit(endpoint).path.split("/"))
    return endpoint if versioned else f"{endpoint}/v1"


def client(endpoint: str, *, api_key: str, headers: Mapping[str, str], connections: int) -> JsonClient:
    """A client of the backend at `endpoint`, with or without /v1."""
    bearer = {"authorization": f"Bearer {api_key}"} if api_key else {}
    return JsonClient(base_url(endpoint), headers={**bearer, **headers}, connections=connections)


def answer(reply: Reply) -> Any:
    """The answer's JSON; raises the EmbedError that another status means."""
    if reply.status != _OK:
        raise _failure(reply)
    return reply.json()


def _failure(reply: Reply) -> EmbedError:
    message = _message(reply)
    known: EmbedError
    match reply.status:
        case 400 | 413 | 422 | 500 if reply.status == 413 or _TOO_LONG.search(message):  # llama.cpp says 500
            known = TooLong(message)
        case 400 | 413 | 422:
            text = f"the embedding backend refuses the input: {message}"
            known = BadRequest(text, reason="EMBED_BACKEND_REFUSED")
        case 401 | 403 | 404:
            known = BackendMisfit(f"the embedding backend answers with status {reply.status}: {message}")
        case 408 | 504:
            text = f"the embedding backend ran out of time: {message}"
            known = TooSlow(text, reason="EMBED_BACKEND_TIMEOUT")
        case 429:
            text = f"the embedding backend takes no more: {message}"
            wait = _retry_after(reply) or _BUSY_SECONDS
            known = Overloaded(text, retry_after_seconds=wait, reason="EMBED_BACKEND_BUSY")
        case status if status >= 500:
            text = f"the embedding backend is not well: {message}"
            known = EncoderDown(text, retry_after_seconds=_retry_after(reply))
        case _:
            known = EncoderFailed(f"the embedding backend failed: {message}", reason="EMBED_BACKEND_FAILED")
    return known


def _retry_after(reply: Reply) -> float | None:
    told = reply.headers.get("retry-after", "")
    return float(told) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", told) else None


def _message(reply: Reply) -> str:
    """The error's words, nested as OpenAI does or not as some do; the status where there are none."""
    try:
        told = reply.json()
    except EncoderFailed:
        return f"status {reply.status}"
    error = told.get("error", told) if isinstance(told, dict) else None
    words = (error.get("message") or error.get("detail")) if isinstance(error, dict) else error
    return str(words)[:_MAX_MESSAGE] if words else f"status {reply.status}"
