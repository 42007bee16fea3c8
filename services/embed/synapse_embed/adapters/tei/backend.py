"""A TEI server as the backend that encodes.

It tells only whether it refuses a text as too long, not whether it cut one. So nothing is cut before it was refused:
a text is first asked for uncut, and texts whose batch was refused are asked for one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from synapse_embed.adapters.tei.wire import Info, Refused, Wire
from synapse_embed.adapters.vectors import shared_out, vector
from synapse_embed.errors import BackendMisfit, TextTooLong
from synapse_embed.model import ModelCard, Vector
from synapse_embed.settings import TeiSettings
from synapse_embed.together import together

_PROBE = "Are you there?"
_FLOAT_BYTES = 4
_SPARSE = "splade"


class TeiBackend:
    """A Backend over a `wire` to a TEI server."""

    def __init__(self, wire: Wire, settings: TeiSettings) -> None:
        self._wire = wire
        self._settings = settings
        self._max_tokens = 0
        self.batch_texts = 1

    @property
    def doubts(self) -> int:
        """See Backend: nothing but a connection tells one server process from the next."""
        return self._wire.connections

    async def describe(self) -> ModelCard:
        """See Backend; raises BackendMisfit for a server of another kind or another model than the settings say."""
        info = await self._wire.info()
        self._check(info)
        self._max_tokens, self.batch_texts = info.max_tokens, max(1, info.batch_texts)
        (probe,) = await self.embed([self._settings.prefix + _PROBE], truncate=True)
        return ModelCard(
            id=info.model_id,
            backend="tei",
            revision=info.model_sha or self._settings.revision,
            dimension=len(probe.values) // _FLOAT_BYTES,
            max_tokens=info.max_tokens,
            pooling=info.pooling or self._settings.pooling,
            prefix=self._settings.prefix,
            precision=info.dtype,
        )

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Backend."""
        if self._wire.whole_batches and len(texts) > 1:
            try:
                return await self._uncut(texts)
            except Refused:
                pass  # one of them is too long, and it is not told which
        return await together(self._one(text, index, truncate=truncate) for index, text in enumerate(texts))

    async def _one(self, text: str, index: int, *, truncate: bool) -> Vector:
        try:
            (found,) = await self._uncut([text])
        except Refused as refused:
            if not truncate:
                raise TextTooLong(index, self._max_tokens) from refused
        else:
            return found
        cut = await self._wire.embed([text], truncate=True)
        return vector(cut.values[0], tokens=cut.tokens, truncated=True)

    async def _uncut(self, texts: Sequence[str]) -> list[Vector]:
        answer = await self._wire.embed(texts, truncate=False)
        shares = shared_out(answer.tokens, texts)
        return [vector(row, tokens=tokens, truncated=False) for row, tokens in zip(answer.values, shares, strict=True)]

    def _check(self, info: Info) -> None:
        if info.kind != "embedding" or info.pooling == _SPARSE:
            kind = f"{info.kind} with {info.pooling} pooling" if info.pooling else info.kind
            raise BackendMisfit(f"{info.model_id} at {self._settings.endpoint} is no model for dense vectors: {kind}")
        if self._settings.model and info.model_id != self._settings.model:
            message = f"embed.tei.model is {self._settings.model}, but {self._settings.endpoint} serves {info.model_id}"
            raise BackendMisfit(message)
