"""A model on Triton as the backend that encodes: texts or token ids in; vectors out, or tokens' vectors pooled here.

The server tells neither tokens nor cuts. With the model's tokenizer.json texts are counted and cut here; without it a
text that may be longer than the window counts as cut, and tokens are estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton_grpc
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException

from synapse_embed.adapters.http_client import invalid
from synapse_embed.adapters.tokeniser import Tokeniser
from synapse_embed.adapters.triton import signature
from synapse_embed.adapters.triton.signature import Signature
from synapse_embed.adapters.vectors import certainly_fits, estimated_tokens, vector
from synapse_embed.errors import (
    BackendMisfit,
    EmbedError,
    EncoderDown,
    EncoderFailed,
    ModelChanged,
    Overloaded,
    TextTooLong,
    TooSlow,
)
from synapse_embed.model import ModelCard, Tokens, Vector
from synapse_embed.settings import TritonSettings

_grpc: Any = triton_grpc  # the library has no types
_aio: Any = triton_aio
_PROBE = "Are you there?"
_FLOAT_BYTES = 4
_BUSY_SECONDS = 0.5
_CHANNEL = [
    ("grpc.max_receive_message_length", 256 * 1024 * 1024),
    ("grpc.max_send_message_length", 256 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
]


class TritonBackend:
    """A Backend over KServe v2 gRPC; calls are bounded by `call_seconds`."""

    def __init__(self, settings: TritonSettings, *, tokeniser: Tokeniser | None, call_seconds: float) -> None:
        self._client = _aio.InferenceServerClient(settings.endpoint, channel_args=_CHANNEL)
        self._settings = settings
        self._tokeniser = tokeniser
        self._seconds = call_seconds
        self._signature: Signature | None = None
        self._version: str | None = None
        self.batch_texts = 1
        self.doubts = 0  # an answer names its model

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def describe(self) -> ModelCard:
        """See Backend; raises BackendMisfit for a model that takes or gives something else than the settings say."""
        settings = self._settings
        self._signature = signed = await self._read_signature()
        self.batch_texts = signed.batch_texts
        self._version = None
        (probe,) = await self.embed([settings.prefix + _PROBE], truncate=True)
        dimension = len(probe.values) // _FLOAT_BYTES
        if signed.dimension and signed.dimension != dimension:
            raise BackendMisfit(
                f"{settings.model} says that it has {signed.dimension} dimensions and sends {dimension}"
            )
        return ModelCard(
            id=settings.model,
            backend="triton",
            revision="/".join(name for name in (settings.revision, self._version or "") if name),
            dimension=dimension,
            max_tokens=settings.max_tokens,
            pooling=settings.pooling,
            prefix=settings.prefix,
            precision=settings.datatype.lower(),
            options=f"output:{signed.output}",
        )

    async def embed(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Backend."""
        if self._settings.inputs == "tokens":
            return await self._from_tokens(texts, truncate=truncate)
        return await self._from_texts(texts, truncate=truncate)

    async def _from_texts(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        if self._tokeniser:
            fitted = await self._tokeniser.fitted(texts)
            texts = [one.text for one in fitted]
            about = [(one.tokens, one.truncated) for one in fitted]
        else:
            window = self._settings.max_tokens
            about = [(min(estimated_tokens(text), window), not certainly_fits(text, window)) for text in texts]
        self._refuse_cut([cut for _, cut in about], truncate=truncate)
        raw = np.array([text.encode() for text in texts], dtype=np.object_)
        rows = await self._infer([raw if self._signed.flat else raw.reshape(-1, 1)])
        return [vector(row, tokens=tokens, truncated=cut) for row, (tokens, cut) in zip(rows, about, strict=True)]

    async def _from_tokens(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        if self._tokeniser is None:
            raise BackendMisfit("embed.triton.tokenizer is needed for inputs=tokens")
        tokens = await self._tokeniser.ids(texts)
        self._refuse_cut([one.truncated for one in tokens], truncate=truncate)
        ids, mask = _padded(tokens)
        given = [ids, mask, np.zeros_like(ids)][: len(self._signed.inputs)]
        rows = self._pooled(await self._infer(given), mask)
        return [
            vector(row, tokens=len(one.ids), truncated=one.truncated) for row, one in zip(rows, tokens, strict=True)
        ]

    def _pooled(self, rows: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[Any]:
        match self._settings.pooling:
            case "model":
                return rows
            case "cls":
                return rows[:, 0]
            case "mean":
                weights = mask[:, :, None].astype(np.float32)
                pooled: NDArray[Any] = (rows.astype(np.float32) * weights).sum(axis=1) / weights.sum(axis=1)
                return pooled

    def _refuse_cut(self, cut: Sequence[bool], *, truncate: bool) -> None:
        if not truncate and True in cut:
            why = "truncate is false" if self._tokeniser else "embed.triton.tokenizer is not set to count its tokens"
            raise TextTooLong(cut.index(True), self._settings.max_tokens, why)

    @property
    def _signed(self) -> Signature:
        if self._signature is None:
            raise EncoderDown("the embedding backend was not asked yet what it takes")
        return self._signature

    async def _infer(self, given: Sequence[NDArray[Any]]) -> NDArray[Any]:
        signed = self._signed
        inputs = []
        for (name, datatype), values in zip(signed.inputs, given, strict=True):
            tensor = _grpc.InferInput(name, list(values.shape), datatype)
            inputs.append(tensor.set_data_from_numpy(values.astype(np.int32) if datatype == "INT32" else values))
        with self._errors():
            result = await self._client.infer(
                self._settings.model,
                inputs,
                model_version=self._settings.version,
                outputs=[_grpc.InferRequestedOutput(signed.output)],
                client_timeout=self._seconds,
            )
        self._note_version(result.get_response().model_version)
        rows: NDArray[Any] | None = result.as_numpy(signed.output)
        if rows is None or rows.ndim != (2 if self._settings.pooling == "model" else 3) or len(rows) != len(given[0]):
            raise invalid(f"output {signed.output} is not {len(given[0])} vectors")
        return rows

    async def _read_signature(self) -> Signature:
        name, version = self._settings.model, self._settings.version
        with self._errors():
            metadata = await self._client.get_model_metadata(name, version, client_timeout=self._seconds)
            config = await self._client.get_model_config(name, version, client_timeout=self._seconds)
        return signature.read(metadata, config.config, self._settings)

    def _note_version(self, version: str) -> None:
        if self._version is None:
            self._version = version
        elif version != self._version:
            raise ModelChanged(self._version, version)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the client's errors inside the block into EmbedErrors."""
        try:
            yield
        except InferenceServerException as error:
            raise _failure(error) from error


def _padded(tokens: Sequence[Tokens]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and mask of a batch, zeros behind the shorter texts."""
    shape = len(tokens), max(len(one.ids) for one in tokens)
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, one in enumerate(tokens):
        ids[row, : len(one.ids)] = one.ids
        mask[row, : len(one.ids)] = 1
    return ids, mask


def _failure(error: Any) -> EmbedError:
    message = str(error.message())[:500]
    known: EmbedError
    match str(error.status()).rpartition(".")[2]:
        case "UNAVAILABLE" if "queue size" in message:  # the scheduler's queue is full, which is no outage
            known = _busy(message)
        case "RESOURCE_EXHAUSTED":
            known = _busy(message)
        case "UNAVAILABLE":
            known = EncoderDown(f"the embedding backend is down: {message}")
        case "NOT_FOUND":  # models are loaded and unloaded while the server runs
            known = EncoderDown(f"the embedding backend has not loaded the model: {message}")
        case "UNIMPLEMENTED" | "UNAUTHENTICATED" | "PERMISSION_DENIED":
            known = BackendMisfit(f"the embedding backend does not serve us: {message}")
        case "DEADLINE_EXCEEDED":
            known = TooSlow("the embedding backend did not answer in time", reason="EMBED_BACKEND_TIMEOUT")
        case _:
            known = EncoderFailed(f"the embedding backend failed: {message}", reason="EMBED_BACKEND_FAILED")
    return known


def _busy(message: str) -> Overloaded:
    text = f"the embedding backend is overloaded: {message}"
    return Overloaded(text, retry_after_seconds=_BUSY_SECONDS, reason="EMBED_BACKEND_BUSY")
