"""The language models that `synapse up` routes to: an URL, a provider whose key is at hand, or the small model here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapse_standalone.llama import MODEL_NAME


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that speaks the OpenAI wire; `example` is a model that it certainly has."""

    name: str
    kind: str
    key_variable: str
    endpoint: str
    example: str
    endpoint_variable: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers; {key} stands for the key."""


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
        "custom",
        "ANTHROPIC_API_KEY",
        "https://api.anthropic.com/v1",
        "claude-haiku-4-5",
        headers=(("x-api-key", "{key}"), ("anthropic-version", "2023-06-01")),  # its list of models wants both
    ),
    Provider("mistral", "custom", "MISTRAL_API_KEY", "https://api.mistral.ai/v1", "mistral-small-latest"),
    Provider("deepseek", "custom", "DEEPSEEK_API_KEY", "https://api.deepseek.com/v1", "deepseek-chat"),
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
    return bool(environ.get(provider.key_variable) or environ.get(provider.endpoint_variable))


def _provider_route(provider: Provider, environ: Mapping[str, str]) -> Route:
    key = environ.get(provider.key_variable, "")
    elsewhere = environ.get(provider.endpoint_variable, "")
    backend: dict[str, Any] = {
        "name": provider.name,
        "provider": provider.kind,
        "endpoint": elsewhere or provider.endpoint,
    }
    if key:
        backend["api_key"] = key
        backend["headers"] = {name: value.format(key=key) for name, value in provider.headers}
    return Route(backend, example="" if elsewhere else provider.example)
