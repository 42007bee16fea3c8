"""The settings of the embed service: section `embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from synapse_runtime.settings import Section

Provider = Literal["bundled", "hashing", "triton", "tei", "openai"]
_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
RankProvider = Literal["similarity", "tei", "openai"]


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("holds signs that cannot be sent, perhaps the end of a line")
    return value


HeaderText = Annotated[SecretStr, AfterValidator(_sendable)]
"""A secret that goes into a header."""


def _checked_url(value: str, schemes: tuple[str, ...]) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"must be a URL without query that begins with {' or '.join(f'{s}://' for s in schemes)}")
    if parts.username or parts.password:
        raise ValueError("must not carry a user or password: use api_key or headers")
    return value.rstrip("/")


class TeiSettings(Section):
    """Text Embeddings Inference: `embed.provider` is `tei`."""

    endpoint: str
    """http:// or https:// for its HTTP API, grpc:// for the port of its -grpc images."""
    api_key: HeaderText = SecretStr("")
    """The server's --api-key; empty sends none."""
    model: str = ""
    """The model id that must be served; empty takes what is."""
    revision: str = ""
    """Names the weights where the server does not tell its model_sha; part of the fingerprint."""
    pooling: str = ""
    """Names the pooling where the server does not tell it, which is so with gRPC; part of the fingerprint."""
    prefix: str = ""
    """Put before every text, "query: " for example; part of the fingerprint."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return _checked_url(value, ("http", "https", "grpc"))


class TritonSettings(Section):
    """Triton, or another server of the KServe v2 gRPC protocol: `embed.provider` is `triton`."""

    endpoint: str = Field(pattern=r"^[^/\s]+:\d+$")
    """host:port of its gRPC."""
    model: str = Field(min_length=1)
    """The model's name in the server's repository."""
    version: str = ""
    """The model's version; empty takes what the server's policy picks."""
    inputs: Literal["texts", "tokens"] = "texts"
    """What the model takes: texts (BYTES), or token ids and their mask (integers)."""
    text_input: str = "text"
    """Name of the input for texts."""
    ids_input: str = "input_ids"
    """Name of the input for token ids."""
    mask_input: str = "attention_mask"
    """Name of the input for the mask."""
    types_input: str = "token_type_ids"
    """Name of the input for token types, which is filled with zeros where the model has it."""
    output: str = ""
    """Name of the output that is the vectors; empty where the model has only one output."""
    datatype: Literal["FP32", "FP16", "BF16", "FP64"] = "FP32"
    """Datatype that the output must have; part of the fingerprint."""
    pooling: Literal["model", "mean", "cls"] = "model"
    """How vectors of tokens become one: inside the model, by their mean, by the first; part of the fingerprint."""
    tokenizer: Path | None = None
    """The model's tokenizer.json. Needed for tokens; with texts it lets them be counted and cut exactly."""
    max_tokens: int = Field(ge=8, le=1_000_000)
    """Tokens of a text that the model sees, special tokens included."""
    revision: str = ""
    """Names the weights, which the server does not tell; part of the fingerprint."""
    prefix: str = ""
    """Put before every text, "query: " for example; part of the fingerprint."""

    @model_validator(mode="after")
    def _can_tokenise(self) -> Self:
        if self.inputs == "tokens" and self.tokenizer is None:
            raise ValueError("inputs=tokens needs tokenizer, the path of the model's tokenizer.json")
        if self.inputs == "texts" and self.pooling != "model":
            raise ValueError("pooling here needs inputs=tokens")
        return self


class OpenAISettings(Section):
    """A backend of the OpenAI embeddings API (vLLM, Ollama, OpenAI, LocalAI, ...): `embed.provider` is `openai`."""

    endpoint: str
    """Base URL, with or without /v1."""
    api_key: HeaderText = SecretStr("")
    """Sent as the bearer; empty sends none."""
    headers: dict[Annotated[str, Field(pattern=_HEADER_NAME)], HeaderText] = Field(default_factory=dict)
    """Further headers of every request."""
    model: str = Field(min_length=1)
    """The model asked for."""
    max_tokens: int = Field(ge=8, le=1_000_000)
    """The backend's window: tokens of a text that the model sees. The API does not tell it, and some cut silently."""
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    """Sent as `dimensions` to models that can shorten their vectors; unset sends none."""
    encoding_format: Literal["base64", "float"] = "float"
    """Form of the vectors on the wire; base64 costs less where the backend knows it."""
    tokenizer: Path | None = None
    """The model's tokenizer.json: lets texts be counted and cut exactly, before they are sent."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further members of every request's body; part of the fingerprint."""
    revision: str = ""
    """Names the weights, which the API does not tell; part of the fingerprint."""
    prefix: str = ""
    """Put before every text, "query: " for example; part of the fingerprint."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return _checked_url(value, ("http", "https"))


class RerankSettings(Section):
    """What ranks documents for a query."""

    provider: RankProvider = "similarity"
    """The cosine of the embedder's vectors, a TEI with a reranker, or a backend with /v1/rerank (vLLM, for example)."""
    endpoint: str = ""
    """As `embed.tei.endpoint` or `embed.openai.endpoint`; needed for those two."""
    api_key: HeaderText = SecretStr("")
    """Sent as the bearer; empty sends none."""
    model: str = ""
    """The model asked for; needed for openai. For tei the model id that must be served, empty takes what is."""
    max_documents: int = Field(default=1000, ge=1, le=65_536)
    """Most documents of one request."""
    batch_documents: int = Field(default=32, ge=1, le=65_536)
    """Most documents of one call to the backend, or its own limit where that is told and lower."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.provider == "similarity":
            return self
        _checked_url(self.endpoint, ("http", "https", "grpc") if self.provider == "tei" else ("http", "https"))
        if self.provider == "openai" and not self.model:
            raise ValueError("provider=openai needs model")
        return self


class ModelSettings(Section):
    """What one model is, and where it runs."""

    provider: Provider = "bundled"
    """What encodes: the bundled all-MiniLM-L6-v2, hashed words without a model (tests, demonstrations), a backend."""
    tei: TeiSettings | None = None
    """The backend where `provider` is tei."""
    triton: TritonSettings | None = None
    """The backend where `provider` is triton."""
    openai: OpenAISettings | None = None
    """The backend where `provider` is openai."""
    dimension: int | None = Field(default=None, ge=1, le=65_536)
    """Dimension that a backend's vectors must have, checked at the start; unset takes what comes."""

    @model_validator(mode="after")
    def _has_its_backend(self) -> Self:
        sections = {"tei": self.tei, "triton": self.triton, "openai": self.openai}
        if self.provider in sections and sections[self.provider] is None:
            raise ValueError(f"provider={self.provider} needs the section embed.{self.provider}")
        return self


class EmbedSettings(ModelSettings):
    """How texts become vectors."""

    listen: str = "127.0.0.1:50052"
    """Where gRPC is served (host:port)."""
    probes: str = "127.0.0.1:8082"
    """Where /health, /ready and /metrics are served (host:port)."""
    others: tuple[ModelSettings, ...] = Field(default=(), max_length=8)
    """Further models, each asked for by its name, so that a cache can be moved from one to another while it serves. The
    limits below hold for each of them; a backend that does not answer keeps nobody else from being served."""
    rerank: RerankSettings = RerankSettings()
    """What ranks documents."""
    model_dir: Path | None = None
    """Folder that keeps the bundled model's graph (a few kB); unset builds it at every start: half a second."""
    max_tokens: int = Field(default=256, ge=2, le=256)
    """Tokens of a text that the bundled model sees, special tokens included."""
    truncate: bool = True
    """Whether longer texts are cut, where a request says nothing; otherwise they are refused."""
    max_inputs: int = Field(default=256, ge=1, le=65536)
    """Most texts of one request."""
    max_text_chars: int = Field(default=200_000, ge=1, le=10_000_000)
    """Most characters of one text."""
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest time for one request."""
    workers: int = Field(default=2, ge=1, le=64)
    """Batches of the bundled model computed at once, a core each; they share one copy of the weights."""
    batch_texts: int = Field(default=32, ge=1, le=2048)
    """Most texts of a batch, or the backend's own limit where that is told and lower."""
    batch_tokens: int = Field(default=512, ge=1, le=65536)
    """Most tokens of a batch of the bundled model; one text always fits."""
    queue_texts: int = Field(default=2048, ge=1, le=1_000_000)
    """Texts that may wait; beyond that requests are refused as overload."""
    kept_vectors: int = Field(default=50_000, ge=0, le=10_000_000)
    """Vectors of exact texts that are kept, about 2 kB each; 0 keeps none."""
    calls: int = Field(default=4, ge=1, le=1024)
    """Calls to a backend at the same time, further ones wait; all of them together must be done in `call_seconds`."""
    call_seconds: float = Field(default=10.0, gt=0, le=600)
    """Longest time for one call to a backend; five failures in a row open its circuit breaker."""
    start_seconds: float = Field(default=600.0, gt=0, le=86_400)
    """How long a backend that does not answer yet is waited for at the start."""
    check_seconds: float = Field(default=10.0, ge=0, le=3600)
    """How often a backend is asked for a word to see that it lives and what it serves; 0 never."""

    @model_validator(mode="after")
    def _a_request_fits_the_queue(self) -> Self:
        if self.max_inputs > self.queue_texts:
            raise ValueError("max_inputs must not be larger than queue_texts")
        return self
