"""The floor under every Python edge: FastAPI on uvicorn that answers about 2 KB of constant JSON."""

from __future__ import annotations

import orjson
from fastapi import FastAPI, Response

_BODY = orjson.dumps(
    {
        "id": "chatcmpl-constant",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 1700}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 15, "completion_tokens": 400, "total_tokens": 415},
    }
)

app = FastAPI()


@app.get("/health")
async def health() -> Response:
    return Response(b"ok")


@app.post("/v1/chat/completions")
async def constant() -> Response:
    return Response(_BODY, media_type="application/json")
