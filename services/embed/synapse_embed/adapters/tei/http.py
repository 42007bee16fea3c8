"""TEI's HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synapse_embed.adapters.http_client import JsonClient, Reply, invalid
from synapse_embed.adapters.tei.wire import BUSY_SECONDS, Info, Numbers, Refused
from synapse_embed.errors import BackendMisfit, BadRequest, EmbedError, EncoderDown, EncoderFailed, Overloaded

_OK = 200
_TOKENS = "x-compute-tokens"
_KINDS = ("embedding", "reranker", "classifier")


class HttpWire:
    """A Wire over HTTP; several texts go in one call."""

    whole_batches = True

    def __init__(self, url: str, *, api_key: str, connections: int) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = JsonClient(url, headers=headers, connections=connections)

    @property
    def connections(self) -> int:
        """See Wire."""
        return self._client.connections

    async def close(self) -> None:
        """See Wire."""
        await self._client.close()

    async def info(self) -> Info:
        """See Wire."""
        told = _answer(await self._client.get("/info"))
        try:
            kinds = told["model_type"]
            kind = next((kind for kind in _KINDS if kind in kinds), str(kinds))
            about = kinds.get(kind) or {}
            return Info(
                model_id=str(told["model_id"]),
                model_sha=told.get("model_sha") or "",
                dtype=str(told["model_dtype"]),
                kind=kind,
                pooling=str(about.get("pooling", "")),
                max_tokens=int(told["max_input_length"]),
                batch_texts=int(told["max_client_batch_size"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BackendMisfit(f"{self._client.url}/info is not that of a TEI server") from error

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """See Wire."""
        reply = await self._client.post("/embed", {"inputs": list(texts), "truncate": truncate, "normalize": True})
        rows = _answer(reply)
        if not isinstance(rows, list) or len(rows) != len(texts):
            raise invalid(f"it is not {len(texts)} vectors")
        return Numbers(rows, _tokens(reply))

    async def rerank(self, query: str, texts: Sequence[str], *, truncate: bool) -> Numbers:
        """See Wire."""
        reply = await self._client.post("/rerank", {"query": query, "texts": list(texts), "truncate": truncate})
        scores = scores_by_index(_answer(reply), "score", len(texts))
        return Numbers(scores, _tokens(reply))


def scores_by_index(ranks: Any, member: str, count: int) -> list[float]:
    """The scores of `{"index", member}` objects in the order of the documents; raises EncoderFailed."""
    try:
        found = {rank["index"]: float(rank[member]) for rank in ranks}
    except (KeyError, TypeError, ValueError) as error:
        raise invalid("a rank has no index or no score") from error
    if sorted(found) != list(range(count)):
        raise invalid(f"it does not rank {count} documents once each")
    return [found[index] for index in range(count)]


def _tokens(reply: Reply) -> int:
    told = reply.headers.get(_TOKENS, "")
    return int(told) if told.isdecimal() else 0


def _answer(reply: Reply) -> Any:
    if reply.status != _OK:
        raise _failure(reply)
    return reply.json()


def _failure(reply: Reply) -> EmbedError:
    """What an answer that is none means; `error_type` decides before the status, whose meaning changed over time."""
    message, kind = _told(reply)
    known: EmbedError
    match reply.status, kind:
        case _, "validation":
            known = Refused(message)
        case (_, "overloaded") | (429, _):
            text = f"the embedding backend is overloaded: {message}"
            known = Overloaded(text, retry_after_seconds=BUSY_SECONDS, reason="EMBED_BACKEND_BUSY")
        case _, "tokenizer" | "empty":
            text = f"the embedding backend cannot read the input: {message}"
            known = BadRequest(text, reason="EMBED_BACKEND_REFUSED")
        case 413, _:
            known = BadRequest("the input is too large for the embedding backend", reason="TEXT_TOO_LONG")
        case ((401 | 403 | 404), _):
            known = BackendMisfit(f"the embedding backend answers with status {reply.status}: {message}")
        case ((500 | 502 | 503 | 504), _):
            known = EncoderDown(f"the embedding backend is not well: {message}")
        case _:
            known = EncoderFailed(f"the embedding backend failed: {message}", reason="EMBED_BACKEND_FAILED")
    return known


def _told(reply: Reply) -> tuple[str, str]:
    """The error's message and its kind in lower case."""
    try:
        told = reply.json()
        return str(told["error"])[:500], str(told.get("error_type", "")).lower()
    except (EncoderFailed, KeyError, TypeError, AttributeError):
        return f"status {reply.status}", ""
