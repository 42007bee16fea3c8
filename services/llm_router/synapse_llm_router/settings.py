"""Settings of the llm-router: where it listens and which backends it asks."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from synapse_runtime.settings import Section

Provider = Literal["openai", "anthropic", "vllm", "tgi", "ollama", "llamacpp", "custom"]
ApiType = Literal["openai", "anthropic", "ollama", "tgi", "custom"]
_OWN_WIRES: dict[str, ApiType] = {"anthropic": "anthropic", "ollama": "ollama"}
_VERSION = re.compile(r"v\d+[a-z0-9]*", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class BackendSettings(Section):
    """One backend."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    """Its name in metrics, logs and replies."""
    provider: Provider = "custom"
    """What software or service it is."""
    api_type: ApiType | None = None
    """The wire that it is asked in. Unset: that of the provider, which is OpenAI's for all but anthropic and ollama."""
    endpoint: str
    """Base URL, with or without /v1."""
    api_key: SecretStr = SecretStr("")
    """Sent as the bearer; empty sends none."""
    models: tuple[str, ...] = ()
    """Models it serves, as "name" or "alias=name at the backend". None: it is asked for its list, unless `wildcard`."""
    wildcard: bool = False
    """Whether it takes every model that no backend lists."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers of every request."""
    connect_seconds: float = Field(default=5.0, gt=0, le=60)
    """Bound of getting a connection, the wait for a free one included."""
    first_byte_seconds: float = Field(default=300.0, gt=0, le=3600)
    """Bound from the request to the first event of a stream, or to the head of a whole answer."""
    between_events_seconds: float = Field(default=120.0, gt=0, le=3600)
    """Bound of silence inside an answer."""
    total_seconds: float = Field(default=600.0, gt=0, le=86_400)
    """Bound of a whole call."""
    keepalive_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How long an idle connection is kept."""
    max_connections: int = Field(default=512, ge=1, le=65_536)
    """Connections at most; further calls wait for a free one."""
    max_response_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Longest answer, decompressed."""
    max_event_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Longest single event of a stream."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http:// or https:// URL without query")
        if parts.username or parts.password:
            raise ValueError("must not carry a user or password: use api_key or headers")
        return value

    @field_validator("models")
    @classmethod
    def _are_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            alias, separator, target = entry.partition("=")
            if not alias.strip() or (separator and not target.strip()):
                raise ValueError(f"{entry!r} is neither a model nor alias=model")
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name) or not text.get_secret_value().isprintable():
                raise ValueError(f"{name!r} is not a header that can be sent")
        return value

    @property
    def wire(self) -> ApiType:
        """The wire that it is asked in."""
        return self.api_type or _OWN_WIRES.get(self.provider, "openai")

    @property
    def root_url(self) -> str:
        """The endpoint without trailing slashes and without a version at its end."""
        base, _, last = self.endpoint.rstrip("/").rpartition("/")
        return base if _VERSION.fullmatch(last) else self.endpoint.rstrip("/")

    @property
    def base_url(self) -> str:
        """The endpoint without trailing slashes, ending in /v1 unless its path names a version already."""
        base = self.endpoint.rstrip("/")
        versioned = any(_VERSION.fullmatch(segment) for segment in urlsplit(base).path.split("/"))
        return base if versioned else f"{base}/v1"


class RouterSettings(Section):
    """The section `router`."""

    listen: str = "127.0.0.1:50053"
    """Address of the gRPC server, host:port."""
    probes: str = "127.0.0.1:9053"
    """Address of /health, /ready and /metrics, host:port."""
    backends: tuple[BackendSettings, ...] = ()
    """The backends, in order of preference."""
    default_backend: str = ""
    """Backend that takes every model nobody else takes; empty means none."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        counts = Counter(backend.name for backend in self.backends)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"two backends are called {twice[0]!r}")
        if self.default_backend and self.default_backend not in counts:
            raise ValueError(f"default_backend {self.default_backend!r} is not among the backends")
        return self
