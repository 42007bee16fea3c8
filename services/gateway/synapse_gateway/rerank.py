"""The rerank endpoint: documents by how well they answer a query, in the form that Cohere, Jina and vLLM share."""

from __future__ import annotations

import time
from typing import Any

import orjson

from synapse.embed.v1 import embed_pb2
from synapse_gateway.body import read_object
from synapse_gateway.exchange import Exchange
from synapse_gateway.openai.content import required_text
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence
from synapse_gateway.problems import invalid, missing, wrong_type
from synapse_runtime.ids import fresh_id

_MAX_TOP_N = 2**32 - 1


class Rerank:
    """Answers `/v1/rerank`; `documents_told` is whether results hold their document where the request does not say."""

    route = "rerank"

    def __init__(self, mesh: Mesh, *, max_body_bytes: int, documents_told: bool) -> None:
        self._mesh = mesh
        self._max_body_bytes = max_body_bytes
        self._documents_told = documents_told

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        body = read_object(await exchange.body(self._max_body_bytes))
        request, told = _request(body), self._told(body)
        exchange.known_account.require_model(request.model)
        with Presence(exchange):
            response = await self._mesh.rerank(request, exchange.caller)
        exchange.known_account.meter.used(response.token_count, time.monotonic())
        await exchange.reply_json(_answer(response, request.documents if told else None), [])

    def _told(self, body: dict[str, Any]) -> bool:
        wanted = body.get("return_documents")
        if wanted is None:
            return self._documents_told
        if isinstance(wanted, bool):
            return wanted
        raise wrong_type("return_documents", "a boolean", wanted)


def _request(body: dict[str, Any]) -> embed_pb2.RerankRequest:
    request = embed_pb2.RerankRequest(
        model=required_text(body, "model", ""),
        query=required_text(body, "query", ""),
        documents=_documents(body.get("documents")),
    )
    if not request.query:
        raise invalid("'query' must not be an empty string.", "query")
    top_n = body.get("top_n")
    if top_n is not None:
        if not isinstance(top_n, int) or isinstance(top_n, bool):
            raise wrong_type("top_n", "an integer", top_n)
        if not 1 <= top_n <= _MAX_TOP_N:
            raise invalid("'top_n' must be at least 1.", "top_n")
        request.top_n = top_n
    return request


def _documents(value: Any) -> list[str]:
    if value is None:
        raise missing("documents")
    if not isinstance(value, list):
        raise wrong_type("documents", "an array", value)
    if not value:
        raise invalid("'documents' must not be an empty array.", "documents", "empty_array")
    return [_document(document, f"documents[{number}]") for number, document in enumerate(value)]


def _document(value: Any, where: str) -> str:
    """A document: a text, or an object with a text."""
    if isinstance(value, dict):
        text, where = required_text(value, "text", where), f"{where}.text"
    elif isinstance(value, str):
        text = value
    else:
        raise wrong_type(where, "a string or an object with a 'text'", value)
    if not text:
        raise invalid(f"'{where}' must not be an empty string.", where)
    return text


def _answer(response: embed_pb2.RerankResponse, documents: Any) -> bytes:
    results: list[dict[str, Any]] = []
    for ranked in response.results:
        result: dict[str, Any] = {"index": ranked.index, "relevance_score": ranked.score}
        if documents is not None:
            result["document"] = {"text": documents[ranked.index]}
        results.append(result)
    usage = {"prompt_tokens": response.token_count, "total_tokens": response.token_count}
    return orjson.dumps({"id": fresh_id("rerank-"), "model": response.model, "results": results, "usage": usage})
