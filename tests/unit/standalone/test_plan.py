"""The plan: which parts run, and one configuration that every service accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synapse_runtime.settings import Config
from synapse_standalone import plan, validation
from synapse_standalone.llama import MODEL_NAME
from synapse_standalone.plan import Ports, Secrets
from synapse_standalone.settings import Options
from synapse_standalone.state import StateFolder

PORTS = Ports(
    cache=1001,
    cache_probes=1002,
    embed=1003,
    embed_probes=1004,
    router=1005,
    router_probes=1006,
    valkey=1007,
    llama=1008,
)
SECRETS = Secrets(api_key="sk-synapse-key", mesh="mesh-secret", valkey="valkey-password")


def sections(options: Options | None = None, user: Any = None, environ: Any = None) -> dict[str, dict[str, Any]]:
    options, user = options or Options(), user or {}
    routes = plan.make_routes(options, user, environ or {}, PORTS)
    return layers(options, user, routes).around(user)


def layers(options: Options, user: Any, routes: Any = ()) -> plan.Layers:
    return plan.make_layers(
        options, user, routes=routes, ports=PORTS, secrets=SECRETS, state=StateFolder(Path("state"))
    )


def parts(made: dict[str, dict[str, Any]], small_model: Path | None = None) -> dict[str, Any]:
    made_parts = plan.make_parts(made, ports=PORTS, state=StateFolder(Path("state")), small_model=small_model)
    return {part.name: part for part in made_parts}


def test_ports_that_the_user_names_are_kept_and_the_rest_are_free() -> None:
    named = Ports.of({"cache": {"listen": "127.0.0.1:50051"}, "router": {"probes": "0.0.0.0:9053"}, "embed": {}})
    assert (named.cache, named.router_probes) == (50051, 9053)
    assert len({named.cache_probes, named.embed, named.embed_probes, named.router, named.valkey, named.llama}) == 6


@pytest.mark.parametrize(
    ("options", "user", "environ"),
    [
        (Options(), {}, {}),
        (Options(upstream="http://127.0.0.1:1"), {}, {}),
        (Options(milvus="127.0.0.1:19530", redis_url="redis://127.0.0.1:1", log_level="debug"), {}, {}),
        (Options(host="::1", port=1), {"cache": {"ttl_seconds": 5}}, {}),
        (Options(), {}, {"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2", "MISTRAL_API_KEY": "k3"}),
        (Options(), {"router": {"backends": [{"name": "mine", "endpoint": "http://127.0.0.1:1"}]}}, {}),
    ],
)
def test_every_service_accepts_its_section(options: Options, user: Any, environ: Any) -> None:
    config = Config(sections(options, user, environ), origin="test", environ=environ)
    assert validation.problems(config) == {}


def test_the_services_find_each_other() -> None:
    made = sections()
    for service in ("cache", "embed", "router"):
        assert made["mesh"][f"{service}_target"] == made[service]["listen"]


def test_the_users_settings_win_over_defaults_but_not_over_what_only_we_know() -> None:
    user = {
        "mesh": {"drain_seconds": 3, "cache_target": "elsewhere:1"},
        "cache": {"ttl_seconds": 5, "listen": "0.0.0.0:1"},
    }
    made = sections(user=user)
    assert (made["mesh"]["drain_seconds"], made["cache"]["ttl_seconds"]) == (3, 5)
    assert made["cache"]["listen"] == made["mesh"]["cache_target"] == "127.0.0.1:1001"


def test_flags_win_over_the_users_settings() -> None:
    user = {
        "gateway": {"listen": "127.0.0.1:7"},
        "cache": {"redis_url": "redis://a"},
        "telemetry": {"log_filter": "warn"},
    }
    made = sections(Options(port=9, redis_url="redis://b", log_level="debug"), user)
    assert made["gateway"]["listen"] == "127.0.0.1:9"
    assert (made["cache"]["redis_url"], made["telemetry"]["log_filter"]) == ("redis://b", "debug")


@pytest.mark.parametrize(
    ("options", "listen", "expected"),
    [
        (Options(), None, ("127.0.0.1", 8080)),
        (Options(), "0.0.0.0:7", ("0.0.0.0", 7)),
        (Options(port=9), "0.0.0.0:7", ("0.0.0.0", 9)),
        (Options(host="::1"), None, ("::1", 8080)),
        (Options(), "[::1]:7", ("::1", 7)),
    ],
)
def test_the_gateways_address(options: Options, listen: str | None, expected: tuple[str, int]) -> None:
    assert plan.gateway_address(options, {"gateway": {"listen": listen}} if listen else {}) == expected


def test_valkey_runs_unless_a_redis_is_named() -> None:
    assert "valkey" in parts(sections())
    assert "valkey" not in parts(sections(Options(redis_url="redis://127.0.0.1:1")))
    assert "valkey" not in parts(sections(user={"cache": {"redis_url": "redis://127.0.0.1:1"}}))


def test_the_small_model_answers_every_name_when_nothing_else_is_there() -> None:
    (backend,) = sections()["router"]["backends"]
    assert (backend["models"], backend["wildcard"]) == ([MODEL_NAME], True)
    assert "llama" in parts(sections(), Path("model.gguf"))


def test_an_upstream_takes_every_name_and_the_keys_at_hand_stay_unused() -> None:
    (backend,) = sections(Options(upstream="http://127.0.0.1:1"), environ={"OPENAI_API_KEY": "k"})["router"]["backends"]
    assert backend == {"name": "upstream", "provider": "custom", "endpoint": "http://127.0.0.1:1", "wildcard": True}


def test_keys_at_hand_replace_the_small_model() -> None:
    first, second = sections(environ={"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2"})["router"]["backends"]
    assert (first["name"], first["api_key_env"], first["wildcard"]) == ("openai", "OPENAI_API_KEY", True)
    assert (second["name"], second["provider"], "wildcard" in second) == ("anthropic", "anthropic", False)
    assert not [backend for backend in (first, second) if "k1" in str(backend) or "k2" in str(backend)]


def test_openais_base_url_is_honoured_even_without_a_key() -> None:
    (backend,) = sections(environ={"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"})["router"]["backends"]
    assert (backend["endpoint"], "api_key_env" in backend) == ("http://127.0.0.1:1/v1", False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("http://gpu", "http://gpu:80"),
        ("https://ollama.com/", "https://ollama.com:443"),
        ("[::1]:1234", "http://[::1]:1234"),
    ],
)
def test_ollamas_own_variable_is_understood(host: str, url: str) -> None:
    (backend,) = sections(environ={"OLLAMA_HOST": host})["router"]["backends"]
    assert (backend["provider"], backend["endpoint"]) == ("ollama", url)


def test_a_vllm_is_found_by_its_address_and_not_by_a_key_alone() -> None:
    (backend,) = sections(environ={"VLLM_BASE_URL": "http://gpu:8000", "VLLM_API_KEY": "k"})["router"]["backends"]
    assert (backend["provider"], backend["api_key_env"]) == ("vllm", "VLLM_API_KEY")
    assert sections(environ={"VLLM_API_KEY": "k"})["router"]["backends"][0]["name"] == "llama"


def test_backends_that_the_user_adds_later_replace_ours() -> None:
    made = layers(Options(), {}, plan.make_routes(Options(), {}, {}, PORTS))
    later = {"router": {"backends": [{"name": "mine", "endpoint": "http://127.0.0.1:1"}]}}
    assert [backend["name"] for backend in made.around(later)["router"]["backends"]] == ["mine"]


def test_local_means_the_small_model_whatever_keys_there_are() -> None:
    (backend,) = sections(Options(local=True), environ={"OPENAI_API_KEY": "k"})["router"]["backends"]
    assert backend["name"] == "llama"


def test_configured_backends_keep_their_names_beside_an_upstream() -> None:
    user = {"router": {"backends": [{"name": "mine", "endpoint": "http://127.0.0.1:1", "models": ["m"]}]}}
    assert [b["name"] for b in sections(Options(), user)["router"]["backends"]] == ["mine"]
    both = sections(Options(upstream="http://127.0.0.1:2"), user)["router"]["backends"]
    assert [b["name"] for b in both] == ["mine", "upstream"]


def test_no_secret_stands_on_a_command_line() -> None:
    commands = str([part.command for part in parts(sections(), Path("model.gguf")).values()])
    assert not [secret for secret in (SECRETS.api_key, SECRETS.mesh, SECRETS.valkey) if secret in commands]


def test_the_door_closes_first_and_the_stores_last() -> None:
    stages = {name: part.stage for name, part in parts(sections(), Path("m")).items()}
    assert stages["gateway"] < stages["cache"] < stages["embed"] == stages["llm-router"] < stages["valkey"]


def test_valkey_keeps_every_write_and_asks_for_the_password() -> None:
    lines = plan.valkey_config(StateFolder(Path("state")), PORTS, SECRETS).splitlines()
    assert {"bind 127.0.0.1", "appendonly yes", "requirepass valkey-password"} <= set(lines)
