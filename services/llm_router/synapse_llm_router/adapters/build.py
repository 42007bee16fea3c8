"""The adapter of a configured backend: an HTTP client, and the wire that it is asked in; and its health check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from synapse_llm_router.adapters.anthropic.upstream import VERSION, AnthropicUpstream
from synapse_llm_router.adapters.asking import Asker, bearer
from synapse_llm_router.adapters.checks import HttpCheck
from synapse_llm_router.adapters.custom.upstream import CustomUpstream
from synapse_llm_router.adapters.discreet import DiscreetUpstream, secrets_of
from synapse_llm_router.adapters.http_client import HttpClient, Limits
from synapse_llm_router.adapters.ollama.upstream import OllamaUpstream
from synapse_llm_router.adapters.openai.upstream import OpenAIUpstream
from synapse_llm_router.adapters.prompts import TEMPLATES
from synapse_llm_router.adapters.tgi.upstream import TgiUpstream
from synapse_llm_router.ports import Upstream
from synapse_llm_router.settings import BackendSettings
from synapse_runtime.settings import SettingsError


def upstream_of(backend: BackendSettings) -> Upstream:
    """The adapter of `backend`; the caller closes it. Raises SettingsError for a wire that nobody speaks."""
    secrets = secrets_of(backend)
    return DiscreetUpstream(_of_its_wire(backend), secrets) if secrets else _of_its_wire(backend)


def _of_its_wire(backend: BackendSettings) -> Upstream:
    client = HttpClient(backend.name, limits=_limits(backend), headers=_headers(backend))
    asker = Asker(backend.name, backend.provider, client, key_headers=_key_headers(backend))
    most = backend.max_event_bytes
    match backend.wire:
        case "openai":
            newer = backend.provider == "openai"
            return OpenAIUpstream(asker, backend.base_url, max_event_bytes=most, newer_limit=newer)
        case "anthropic":
            limit = backend.default_max_tokens
            return AnthropicUpstream(asker, backend.base_url, max_event_bytes=most, default_max_tokens=limit)
        case "ollama":
            return OllamaUpstream(asker, backend.root_url, max_event_bytes=most)
        case "tgi":
            template = TEMPLATES[backend.chat_template]
            return TgiUpstream(asker, backend.root_url, template, max_event_bytes=most)
        case "custom" if backend.custom:
            template = TEMPLATES[backend.chat_template]
            return CustomUpstream(asker, backend.endpoint.rstrip("/"), backend.custom, template, max_event_bytes=most)
        case wire:
            raise SettingsError(f"router.backends: {backend.name!r} has the api_type {wire!r}, which is not known")


def check_of(backend: BackendSettings) -> HttpCheck:
    """The health check of `backend`, on a connection of its own; the caller closes it."""
    seconds = backend.health.timeout_seconds
    bounds = replace(
        _limits(backend),
        connect_seconds=min(backend.connect_seconds, seconds),
        first_byte_seconds=seconds,
        total_seconds=seconds,
        connections=1,
    )
    return HttpCheck(HttpClient(backend.name, limits=bounds, headers=_headers(backend)), backend.health_url)


def _limits(backend: BackendSettings) -> Limits:
    return Limits(
        connect_seconds=backend.connect_seconds,
        first_byte_seconds=backend.first_byte_seconds,
        between_events_seconds=backend.between_events_seconds,
        total_seconds=backend.total_seconds,
        response_bytes=backend.max_response_bytes,
        connections=backend.max_connections,
        keepalive_seconds=backend.keepalive_seconds,
    )


def _headers(backend: BackendSettings) -> dict[str, str]:
    """The headers of every request: the configured ones, and the key in the form of the wire."""
    headers = {name.lower(): value.get_secret_value() for name, value in backend.headers.items()}
    if key := backend.api_key.get_secret_value():
        headers = {**_key_headers(backend)(key), **headers}
    if backend.wire == "anthropic":
        headers.setdefault("anthropic-version", VERSION)
    return headers


def _key_headers(backend: BackendSettings) -> Callable[[str], Mapping[str, str]]:
    """How a key is sent: Anthropic's wire has a header of its own, but vLLM looks for a bearer on every wire."""
    if backend.custom:
        return backend.custom.key_headers
    return _x_api_key if backend.wire == "anthropic" and backend.provider != "vllm" else bearer


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"x-api-key": key}
