"""A backend of the OpenAI embeddings API as the one that encodes.

The API tells the tokens of a whole request, not whether a text was cut, and some backends cut silently. With the
model's tokenizer.json texts are counted and cut here. Without it a text that may be longer than the window is asked
for alone, and counts as cut when its tokens fill the window.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from synapse_embed.adapters.http_client import JsonClient, invalid
from synapse_embed.adapters.openai.client import TooLong, answer
from synapse_embed.adapters.tokeniser import Tokeniser
from synapse_embed.adapters.vectors import certainly_fits, estimated_tokens, shared_out, vector
from synapse_embed.errors import BackendMisfit, ModelChanged, TextTooLong
from synapse_embed.model import ModelCard, Vector
from synapse_embed.settings import OpenAISettings
from synapse_embed.together import together

_PROBE = "Are you there?"
_FLOAT_BYTES = 4


class OpenAIBackend:
    """A Backend over a `client` to a backend of the OpenAI embeddings API."""

    def __init__(
        self, client: JsonClient, settings: OpenAISettings, *, batch_texts: int, tokeniser: Tokeniser | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._tokeniser = tokeniser
        self._model_told: str | None = None
        self.batch_texts = batch_texts
        self.doubts = 0  # an answer names its model

    async def describe(self) -> ModelCard:
        """See Backend; raises BackendMisfit for vectors of another length than was asked for."""
        settings = self._settings
        self._model_told = None
        (probe,) = await self.embed([settings.prefix + _PROBE], truncate=True)
        dimension = len(probe.values) // _FLOAT_BYTES
        if settings.dimensions and dimension != settings.dimensions:
            message = f"embed.openai.dimensions is {settings.dimensions}, but {settings.model} sends {dimension}"
            raise BackendMisfit(message)
        told = self._model_told or ""
        names = (settings.revision, told if told != settings.model else "")
        return ModelCard(
            id=settings.model,
            backend="openai",
            revision="/".join(name for name in names if name),
            dimension=dimension,
            max_tokens=settings.max_tokens,
            pooling="",
            prefix=settings.prefix,
            precision="",
            options=orjson.dumps(settings.extra, option=orjson.OPT_SORT_KEYS).decode() if settings.extra else "",
        )

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Backend."""
        if self._tokeniser:
            return await self._counted(self._tokeniser, texts, truncate=truncate)
        short = [index for index, text in enumerate(texts) if certainly_fits(text, self._settings.max_tokens)]
        long = [index for index, text in enumerate(texts) if not certainly_fits(text, self._settings.max_tokens)]
        groups = ([short] if short else []) + [[index] for index in long]
        answers = await together(self._group(texts, group, truncate=truncate) for group in groups)
        found = {
            index: one
            for group, some in zip(groups, answers, strict=True)
            for index, one in zip(group, some, strict=True)
        }
        return [found[index] for index in range(len(texts))]

    async def _counted(self, tokeniser: Tokeniser, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        fitted = await tokeniser.fitted(texts)
        for index, one in enumerate(fitted):
            if one.truncated and not truncate:
                raise TextTooLong(index, self._settings.max_tokens)
        rows, _ = await self._ask([one.text for one in fitted])
        return [vector(row, tokens=one.tokens, truncated=one.truncated) for row, one in zip(rows, fitted, strict=True)]

    async def _group(self, texts: Sequence[str], group: Sequence[int], *, truncate: bool) -> list[Vector]:
        """Texts that certainly fit, together, or one that may not."""
        asked = [texts[index] for index in group]
        window = self._settings.max_tokens
        try:
            rows, tokens = await self._ask(asked)
        except TooLong as error:
            if len(group) > 1:
                raise
            why = "embed.openai.tokenizer is not set to cut it" if truncate else "truncate is false"
            raise TextTooLong(group[0], window, why) from error
        fits = certainly_fits(asked[0], window)
        cut = not fits and (tokens is None or tokens >= window)
        if cut and not truncate:
            raise TextTooLong(group[0], window)
        counts = shared_out(tokens, asked) if tokens is not None else [estimated_tokens(text) for text in asked]
        return [vector(row, tokens=count, truncated=cut) for row, count in zip(rows, counts, strict=True)]

    async def _ask(self, texts: Sequence[str]) -> tuple[list[Any], int | None]:
        """A row of numbers per text, and the tokens of all where they are told."""
        settings = self._settings
        body: dict[str, Any] = {**settings.extra, "model": settings.model, "input": list(texts)}
        body["encoding_format"] = settings.encoding_format
        if settings.dimensions:
            body["dimensions"] = settings.dimensions
        told = answer(await self._client.post("/embeddings", body))
        if not isinstance(told, dict):
            raise invalid("it is no object")
        self._note_model(told.get("model"))
        usage = told.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return _rows(told.get("data"), len(texts)), tokens if isinstance(tokens, int) and tokens > 0 else None

    def _note_model(self, name: Any) -> None:
        if not isinstance(name, str):
            return
        if self._model_told is None:
            self._model_told = name
        elif name != self._model_told:
            raise ModelChanged(self._model_told, name)


def _rows(data: Any, count: int) -> list[Any]:
    """The rows by their index; raises EncoderFailed when they are not one for each text."""
    try:
        rows = {item["index"]: _numbers(item["embedding"]) for item in data}
    except (KeyError, TypeError) as error:
        raise invalid("its data is no list of embeddings") from error
    if sorted(rows) != list(range(count)):
        raise invalid(f"it does not have one vector for each of {count} texts")
    return [rows[index] for index in range(count)]


def _numbers(value: Any) -> Any:
    """A vector as it came: numbers, or base64 of little-endian float32."""
    if not isinstance(value, str):
        return value
    try:
        return np.frombuffer(base64.b64decode(value, validate=True), "<f4")
    except (binascii.Error, ValueError) as error:
        raise invalid("a vector is no base64 of float32") from error
