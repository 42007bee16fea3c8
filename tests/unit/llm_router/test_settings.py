"""Wrong settings of the router are refused by name; endpoints are taken as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from synapse_llm_router.settings import BackendSettings, RouterSettings
from synapse_runtime.settings import Config, SettingsError


def section(**settings: Any) -> RouterSettings:
    return Config({"router": settings}, origin="test").section("router", RouterSettings)


def backend(**settings: Any) -> dict[str, Any]:
    return {"name": "a", "endpoint": "http://h", **settings}


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://vllm:8000", "http://vllm:8000/v1"),
        ("http://vllm:8000/", "http://vllm:8000/v1"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1"),
        ("http://vllm:8000/v1//", "http://vllm:8000/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        ("https://h/proxy", "https://h/proxy/v1"),
        ("http://v1.example", "http://v1.example/v1"),
    ],
)
def test_an_endpoint_ends_in_its_version(endpoint: str, base: str) -> None:
    assert BackendSettings(name="a", endpoint=endpoint).base_url == base


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"backends": [backend(endpoint="h:8000")]}, "router.backends.0.endpoint"),
        ({"backends": [backend(endpoint="http://u:p@h")]}, "router.backends.0.endpoint"),
        ({"backends": [backend(endpoint="http://h/?key=1")]}, "router.backends.0.endpoint"),
        ({"backends": [backend(endpoint="http://h:99999")]}, "router.backends.0.endpoint"),
        ({"backends": [backend(endpoint="http://h:0")]}, "router.backends.0.endpoint"),
        ({"backends": [backend(provider="acme")]}, "router.backends.0.provider"),
        ({"backends": [backend(models=["=x"])]}, "router.backends.0.models"),
        ({"backends": [backend(models=["x="])]}, "router.backends.0.models"),
        ({"backends": [backend(headers={"x": "a\r\nhost: b"})]}, "router.backends.0.headers"),
        ({"backends": [backend(headers={"x y": "a"})]}, "router.backends.0.headers"),
        ({"backends": [backend(total_seconds=0)]}, "router.backends.0.total_seconds"),
        ({"backends": [backend(timeout=1)]}, "router.backends.0.timeout"),
        ({"backends": [backend(), backend()]}, "two backends are called 'a'"),
        ({"backends": [backend()], "default_backend": "b"}, "default_backend 'b'"),
        ({"backends": [backend(health={"path": "health"})]}, "router.backends.0.health.path"),
        ({"backends": [backend(caller_keys="maybe")]}, "router.backends.0.caller_keys"),
        ({"backends": [backend(caller_keys="allowed", headers={"X-Api-Key": "k"})]}, "headers.X-Api-Key"),
        ({"strategy": "random"}, "router.strategy"),
        ({"retries": {"max_retries": -1}}, "router.retries.max_retries"),
        ({"routes": [{"model": "m"}, {"model": "m"}]}, "two routes are for the model 'm'"),
        ({"routes": [{"model": "m", "targets": [{"backend": "b"}]}]}, "the route of 'm' names the unknown backend 'b'"),
        ({"routes": [{"model": "m", "fallbacks": [{"model": "m"}]}]}, "the route of 'm' falls back on itself"),
        ({"routes": [{"model": "m", "fallbacks": [{"model": "x", "on": ["bad"]}]}]}, "router.routes.0.fallbacks.0.on"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        section(**settings)


def test_secrets_are_not_shown() -> None:
    settings = section(backends=[backend(api_key="sk-1", headers={"x-key": "sk-2"})])
    assert "sk-" not in repr(settings)


def test_nothing_needs_to_be_set() -> None:
    settings = section()
    assert (settings.listen, settings.probes, settings.backends) == ("127.0.0.1:50053", "127.0.0.1:9053", ())


@pytest.mark.parametrize(
    ("settings", "seconds", "url"),
    [
        ({"provider": "vllm", "endpoint": "http://h/v1"}, 10, "http://h/health"),
        ({"provider": "ollama"}, 10, "http://h/api/version"),
        ({"provider": "llamacpp", "endpoint": "http://h/sub"}, 10, "http://h/sub/health"),
        ({"provider": "openai"}, 0, "http://h/v1/models"),
        ({"health": {"interval_seconds": 3}}, 3, "http://h/v1/models"),
        ({"provider": "tgi", "health": {"interval_seconds": 0}}, 0, "http://h/health"),
        ({"health": {"path": "/up?deep=1", "interval_seconds": 5}}, 5, "http://h/up?deep=1"),
    ],
)
def test_own_servers_are_watched_and_services_are_not(settings: dict[str, Any], seconds: float, url: str) -> None:
    one = BackendSettings(**{"name": "a", "endpoint": "http://h", **settings})
    assert (one.health.interval_of(one.provider), one.health_url) == (seconds, url)
