"""Keys and passwords: none is known beforehand, none is lost, none lies in the open."""

from __future__ import annotations

import pytest

from tests.chart.cases import CASES, KEY, parsed, rendered, template, with_values
from tests.chart.manifests import secret_reference

GENERATED = {"synapse-api-key", "mesh-secret", "redis-password", "grafana-admin-password"}


def _secrets(flags: list[str]) -> dict[str, str]:
    found = parsed(template(flags).output)
    return {key: text for name in found.names("Secret") for key, text in found.secret(name).items()}


def test_what_is_generated_is_long_and_never_the_same() -> None:
    flags = ["--set", "monitoring.grafana.enabled=true", *CASES["self-hosted-bundled"].flags]
    first, second = _secrets(flags), _secrets(flags)
    assert first.keys() >= GENERATED
    assert not [key for key in GENERATED if first[key] == second[key] or len(first[key]) < 24]


def test_the_guides_keys_lie_in_the_secret() -> None:
    found = with_values(
        ("providers.openai.apiKey", "sk-1"),
        ("providers.anthropic.enabled", "true"),
        ("secrets.anthropicApiKey", "sk-2"),
        ("secrets.synapseApiKey", "sk-3"),
    )
    keys = found.secret("synapse-secrets")
    assert keys == {"openai-api-key": "sk-1", "anthropic-api-key": "sk-2", "synapse-api-key": "sk-3"}


def test_both_spellings_of_a_key_mean_the_same() -> None:
    assert rendered("self-hosted-pilot").secret("synapse-secrets")["openai-api-key"] == KEY
    spelled = with_values(("secrets.openaiApiKey", KEY))
    assert spelled.secret("synapse-secrets")["openai-api-key"] == KEY


def test_an_existing_secret_takes_the_place_of_the_charts() -> None:
    found = rendered("existing-secret")
    assert "synapse-secrets" not in found.names("Secret")
    references = [
        reference
        for workload, one in found.containers()
        for variable in one.get("env", [])
        if (reference := secret_reference(variable)) and reference["key"].endswith("-api-key")
    ]
    assert {reference["name"] for reference in references} == {"my-synapse-secrets"}
    assert {reference["key"] for reference in references} == {"openai-api-key", "anthropic-api-key", "synapse-api-key"}


def test_a_url_with_a_password_lies_in_a_secret_only() -> None:
    url = "redis://:hidden-in-a-url@your-redis:6379"
    found = with_values(("dependencies.redis.mode", "external"), ("dependencies.redis.external.url", url))
    assert found.secret("synapse-internal")["redis-url"] == url
    others = [one for one in found.objects if one["kind"] != "Secret"]
    assert "hidden-in-a-url" not in str(others)


@pytest.mark.parametrize("case", CASES)
def test_no_password_stands_beside_a_secret(case: str) -> None:
    found = rendered(case)
    texts = {text for name in found.names("Secret") for text in found.secret(name).values() if len(text) > 12}
    others = str([one for one in found.objects if one["kind"] != "Secret"])
    assert not [text for text in texts if text in others and not text.startswith(("redis://your", "redis://redis."))]


@pytest.mark.parametrize("case", CASES)
def test_pods_start_anew_when_a_key_changes(case: str) -> None:
    served = [
        one for one in rendered(case).workloads if one.labels.get("synapse/workload") in {"gateway", "llm-router"}
    ]
    for workload in served:
        notes = workload.object["spec"]["template"]["metadata"]["annotations"]
        assert [name for name in notes if name.startswith("checksum/")], workload.name
