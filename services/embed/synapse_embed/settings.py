"""The settings of the embed service: section `embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from synapse_runtime.settings import Section


class EmbedSettings(Section):
    """How texts become vectors."""

    listen: str = "127.0.0.1:50052"
    """Where gRPC is served (host:port)."""
    probes: str = "127.0.0.1:8082"
    """Where /health, /ready and /metrics are served (host:port)."""
    provider: Literal["bundled", "hashing"] = "bundled"
    """What encodes: the bundled all-MiniLM-L6-v2, or hashed words without a model (tests, demonstrations)."""
    model_dir: Path | None = None
    """Folder that keeps the built graph (a few kB); unset builds it at every start, which costs half a second."""
    max_tokens: int = Field(default=256, ge=2, le=256)
    """Tokens of a text that the model sees, special tokens included."""
    truncate: bool = True
    """Whether longer texts are cut, where a request says nothing; otherwise they are refused."""
    max_inputs: int = Field(default=256, ge=1, le=65536)
    """Most texts of one request."""
    max_text_chars: int = Field(default=200_000, ge=1, le=10_000_000)
    """Most characters of one text."""
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest time for one request."""
    workers: int = Field(default=2, ge=1, le=64)
    """Batches computed at once, a core each; they share one copy of the weights."""
    batch_texts: int = Field(default=32, ge=1, le=1024)
    """Most texts of a batch."""
    batch_tokens: int = Field(default=512, ge=1, le=65536)
    """Most tokens of a batch; one text always fits."""
    queue_texts: int = Field(default=2048, ge=1, le=1_000_000)
    """Texts that may wait; beyond that requests are refused as overload."""
    kept_vectors: int = Field(default=50_000, ge=0, le=10_000_000)
    """Vectors of exact texts that are kept, about 2 kB each; 0 keeps none."""

    @model_validator(mode="after")
    def _a_request_fits_the_queue(self) -> Self:
        if self.max_inputs > self.queue_texts:
            raise ValueError("max_inputs must not be larger than queue_texts")
        return self
