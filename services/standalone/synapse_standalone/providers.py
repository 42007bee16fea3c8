"""The language models that `synapse up` routes to: an URL, a provider whose key is at hand, or the small model here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from synapse_standalone.llama import MODEL_NAME
from synapse_standalone.loopback import LOOPBACK

_OLLAMA_PORT = 11434


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that the environment may name by its key or by an endpoint; `example` is a model that it surely has.

    Without an `endpoint` of its own it is there only where the environment has one.
    """

    name: str
    kind: str
    key_variable: str
    endpoint: str = ""
    example: str = ""
    endpoint_variable: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A backend as the router's settings have it, and a model that can be asked for; empty when nobody knows one."""

    backend: dict[str, Any]
    example: str


PROVIDERS = (
    Provider(
        "openai",
        "openai",
        "OPENAI_API_KEY",
        "https://api.openai.com/v1",
        "gpt-4o-mini",
        endpoint_variable="OPENAI_BASE_URL",
    ),
    Provider(
        "anthropic",
        "anthropic",
        "ANTHROPIC_API_KEY",
        "https://api.anthropic.com",
        "claude-haiku-4-5",
        endpoint_variable="ANTHROPIC_BASE_URL",
    ),
    Provider("mistral", "custom", "MISTRAL_API_KEY", "https://api.mistral.ai/v1", "mistral-small-latest"),
    Provider("deepseek", "custom", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1", "deepseek-chat"),
    Provider("vllm", "vllm", "VLLM_API_KEY", endpoint_variable="VLLM_BASE_URL"),
    Provider("ollama", "ollama", "OLLAMA_API_KEY", endpoint_variable="OLLAMA_HOST"),
)
KEY_VARIABLES = frozenset({provider.key_variable for provider in PROVIDERS})


def upstream_route(url: str) -> Route:
    """Every model goes to the OpenAI-compatible server at `url`."""
    return Route({"name": "upstream", "provider": "custom", "endpoint": url, "wildcard": True}, example="")


def small_model_route(port: int) -> Route:
    """Every model name is answered by the small model on this machine."""
    backend = {
        "name": "llama",
        "provider": "llamacpp",
        "endpoint": f"http://127.0.0.1:{port}/v1",
        "models": [MODEL_NAME],
        "wildcard": True,
    }
    return Route(backend, example=MODEL_NAME)


def routes_of(environ: Mapping[str, str]) -> list[Route]:
    """A route for each provider whose key, or whose endpoint, is in the environment.

    Each takes the models that it lists itself; the first also those that nobody lists.
    """
    found = [_provider_route(provider, environ) for provider in PROVIDERS if _at_hand(provider, environ)]
    if found:
        found[0].backend["wildcard"] = True
    return found


def _at_hand(provider: Provider, environ: Mapping[str, str]) -> bool:
    has_key = bool(provider.endpoint and environ.get(provider.key_variable))
    return has_key or bool(environ.get(provider.endpoint_variable))


def _provider_route(provider: Provider, environ: Mapping[str, str]) -> Route:
    elsewhere = environ.get(provider.endpoint_variable, "")
    if elsewhere and provider.name == "ollama":
        elsewhere = ollama_url(elsewhere)
    backend: dict[str, Any] = {
        "name": provider.name,
        "provider": provider.kind,
        "endpoint": elsewhere or provider.endpoint,
    }
    if environ.get(provider.key_variable):
        backend["api_key_env"] = provider.key_variable
    return Route(backend, example="" if elsewhere else provider.example)


def ollama_url(host: str) -> str:
    """Where a client reaches the server of OLLAMA_HOST, which is what that server listens on: host, port or both."""
    parts = urlsplit(host if "://" in host else f"http://{host}")
    name = parts.hostname or LOOPBACK
    reached = LOOPBACK if name in {"0.0.0.0", "::"} else name  # noqa: S104  # compared, not bound
    default = 443 if parts.scheme == "https" else 80 if "://" in host else _OLLAMA_PORT
    shown = f"[{reached}]" if ":" in reached else reached
    return f"{parts.scheme}://{shown}:{parts.port or default}{parts.path.rstrip('/')}"
