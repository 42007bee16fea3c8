"""Settings of the llm-router: where it listens, which backends it asks, and how it chooses among them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from synapse_llm_router.mapping import CustomMapping
from synapse_runtime.settings import Section

Provider = Literal["openai", "anthropic", "vllm", "tgi", "ollama", "llamacpp", "custom"]
ApiType = Literal["openai", "anthropic", "ollama", "tgi", "custom"]
Strategy = Literal["ordered", "weighted", "least_in_flight", "latency", "cost"]
FaultClass = Literal["unavailable", "rate_limited", "context_window", "content_policy", "timeout"]
CallerKeys = Literal["forbidden", "allowed", "required"]
ChatTemplate = Literal["chatml", "llama3", "plain"]
_OWN_WIRES: dict[str, ApiType] = {"anthropic": "anthropic", "ollama": "ollama"}
_HEALTH_PATHS = {"vllm": "/health", "tgi": "/health", "llamacpp": "/health", "ollama": "/api/version"}
_CHECK_SECONDS = 10.0
_KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key"})
_VERSION = re.compile(r"v\d+[a-z0-9]*", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class HealthSettings(Section):
    """How a backend is watched while nobody asks it."""

    path: str = Field(default="", pattern=r"^(/\S*)?$")
    """Path of a GET request below the endpoint without its version. Empty: /health of vllm, tgi and llamacpp,
    /api/version of ollama, the list of models of others."""
    interval_seconds: float | None = Field(default=None, ge=0, le=3600)
    """Time between two checks; 0 checks never. Unset: 10 for vllm, tgi, ollama and llamacpp, never for others."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """Bound of one check."""

    def interval_of(self, provider: Provider) -> float:
        """Seconds between two checks of a backend of `provider`; 0 for never."""
        if self.interval_seconds is not None:
            return self.interval_seconds
        return _CHECK_SECONDS if provider in _HEALTH_PATHS else 0.0


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
    """Its key, sent as its wire wants it; empty sends none."""
    api_key_file: str = ""
    """File that holds the key, such as a mounted Secret; read again at every reload."""
    api_key_env: str = Field(default="", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$|^$")
    """Environment variable that holds the key, such as OPENAI_API_KEY."""
    models: tuple[str, ...] = ()
    """Models it serves, as "name" or "alias=name at the backend". None: it is asked for its list, unless `wildcard`."""
    wildcard: bool = False
    """Whether it takes every model that no backend lists."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers of every request."""
    chat_template: ChatTemplate = "chatml"
    """How conversations become one text, for the api_type tgi and mappings with {prompt}."""
    custom: CustomMapping | None = None
    """The mapping of the api_type custom; docs/backends/custom.md tells how to write it."""
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
    default_max_tokens: int = Field(default=4096, ge=1, le=10_000_000)
    """Limit of the answer's tokens on the anthropic wire, which demands one, where the question has none."""
    max_in_flight: int = Field(default=0, ge=0, le=65_536)
    """Requests it is given at once; more wait. 0 gives it any number."""
    max_queued: int = Field(default=100, ge=0, le=65_536)
    """Requests that may wait for it; more are refused with a time to retry."""
    queue_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long a request waits at most."""
    caller_keys: CallerKeys = "forbidden"
    """Whether a caller may, or must, bring its own key for the provider, which is used in place of `api_key`."""
    health: HealthSettings = HealthSettings()
    """How it is watched while nobody asks it."""

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http:// or https:// URL without query")
        if parts.port == 0:  # reading it raises ValueError for what is no port at all
            raise ValueError("must not have the port 0")
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

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        given = [name for name in ("api_key", "api_key_file", "api_key_env") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"has a key twice: {' and '.join(given)}")
        return self

    @model_validator(mode="after")
    def _lets_a_callers_key_take_its_place(self) -> Self:
        keys = [name for name in self.headers if name.lower() in _KEY_HEADERS]
        if self.caller_keys != "forbidden" and keys:
            raise ValueError(f"headers.{keys[0]} would go out beside a caller's own key: give the key as api_key")
        return self

    @model_validator(mode="after")
    def _has_its_mapping(self) -> Self:
        if (self.wire == "custom") != (self.custom is not None):
            raise ValueError("api_type custom needs the mapping `custom`, and only it has one")
        if self.custom and not (self.models or self.wildcard):
            raise ValueError("a custom backend needs models or wildcard: it has no list to be asked for")
        return self

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

    @property
    def health_url(self) -> str:
        """Where a health check asks."""
        path = self.health.path or _HEALTH_PATHS.get(self.provider)
        return f"{self.root_url}{path}" if path else f"{self.base_url}/models"


class TargetSettings(Section):
    """One place that a route leads to."""

    backend: str
    """Name of the backend."""
    model: str = ""
    """The model to ask there, or an alias that the backend lists. Empty: the name that the caller used."""
    weight: int = Field(default=1, ge=1, le=1000)
    """Its share under the strategy `weighted`, relative to the others'."""


class FallbackSettings(Section):
    """Another model for requests that a model failed."""

    on: tuple[FaultClass, ...] = ("unavailable", "rate_limited", "timeout")
    """The kinds of failures for which it is asked."""
    model: str = Field(min_length=1)
    """The model to ask then, as callers would name it."""


class RouteSettings(Section):
    """Where one model goes, in place of every backend that lists it."""

    model: str = Field(min_length=1)
    """The model as callers name it."""
    strategy: Strategy | None = None
    """How one of the targets is chosen. Unset: as `router.strategy` says."""
    targets: tuple[TargetSettings, ...] = ()
    """Where it may go, in order of preference. None: to every backend that lists it."""
    fallbacks: tuple[FallbackSettings, ...] = ()
    """Other models for when all targets fail, tried in order, each once."""


class RetrySettings(Section):
    """Repeated attempts at a backend that failed. A request goes on to other backends of its model besides."""

    max_retries: int = Field(default=2, ge=0, le=10)
    """Repeated attempts for one request at most; 0 repeats none."""
    base_seconds: float = Field(default=0.25, gt=0, le=60)
    """Back-off before the first one; it doubles with each, and a random part of up to half is taken off."""
    max_seconds: float = Field(default=4.0, gt=0, le=600)
    """Longest back-off."""
    max_retry_after_seconds: float = Field(default=5.0, ge=0, le=600)
    """Longest time to wait that a backend may ask for; if it asks for more, its error is passed on."""
    budget_ratio: float = Field(default=0.2, ge=0, le=1)
    """Repeated attempts at one backend, as a share of the requests it is given."""
    budget_reserve: int = Field(default=10, ge=0, le=10_000)
    """Repeated attempts at one backend that are allowed beyond that share."""


class BreakerSettings(Section):
    """When a backend that fails is left alone."""

    consecutive_failures: int = Field(default=5, ge=0, le=1000)
    """Failures in a row after which it is left alone; 0 counts none."""
    error_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of failures in the window from which it is left alone."""
    min_requests: int = Field(default=20, ge=0, le=100_000)
    """Requests in the window from which the share counts; 0 means that it never counts."""
    window_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Length of the window."""
    cooldown_seconds: float = Field(default=5.0, gt=0, le=3600)
    """How long it is left alone; doubles each time that it fails again when tried."""
    max_cooldown_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long it is left alone at most, also where it asks for more."""


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
    strategy: Strategy = "ordered"
    """How one of several backends of a model is chosen: by the order of the configuration, by weight, the least busy,
    the quickest to its first token, the cheapest."""
    latency_exploration: float = Field(default=0.05, ge=0, le=1)
    """Under the strategy `latency`, share of the requests that go to another backend, so that its time stays known."""
    routes: tuple[RouteSettings, ...] = ()
    """Models whose way is not told by the lists of the backends alone."""
    retries: RetrySettings = RetrySettings()
    """Repeated attempts."""
    breaker: BreakerSettings = BreakerSettings()
    """When a backend that fails is left alone."""
    starting_retry_seconds: float = Field(default=10.0, gt=0, le=600)
    """When to try again, as told to requests for a backend that has not answered yet since the router started."""
    prices_path: str = ""
    """JSON file of prices, laid over those that come with the router (docs/configuration.md)."""
    reload_seconds: float = Field(default=2.0, ge=0, le=3600)
    """How often the files of the configuration are looked at for changes; 0 means never."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [backend.name for backend in self.backends]
        _once(names, "two backends are called {!r}")
        _once([route.model for route in self.routes], "two routes are for the model {!r}")
        if self.default_backend and self.default_backend not in names:
            raise ValueError(f"default_backend {self.default_backend!r} is not among the backends")
        for route in self.routes:
            for target in route.targets:
                if target.backend not in names:
                    raise ValueError(f"the route of {route.model!r} names the unknown backend {target.backend!r}")
            if any(fallback.model == route.model for fallback in route.fallbacks):
                raise ValueError(f"the route of {route.model!r} falls back on itself")
        return self


def _once(names: list[str], complaint: str) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(complaint.format(twice[0]))
