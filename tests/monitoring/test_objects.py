"""What the chart makes for Prometheus and Grafana: who is scraped, and a Grafana that shows it."""

from __future__ import annotations

from typing import Any

import yaml

from tests.chart.cases import with_values
from tests.chart.manifests import Manifests
from tests.monitoring.sources import dashboard

KEY = ("providers.openai.apiKey", "sk")
ON = ("monitoring.serviceMonitor.enabled", "true")
SERVICES = {"gateway", "proxy", "embeddings", "llm-router"}
WITHOUT_ENVOY = ("envoy.enabled", "false")
TEI = (("embeddings.bundled.model", "BAAI/bge-m3"), ("embeddings.bundled.dimension", "1024"))


def monitors(made: Manifests) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"].removeprefix("synapse-"): one for one in made.of("ServiceMonitor")}


def grafana(*given: tuple[str, str]) -> Manifests:
    return with_values(KEY, ("monitoring.grafana.enabled", "true"), *given)


def files(made: Manifests) -> dict[str, Any]:
    """What Grafana is given to read, parsed."""
    data = made.one("ConfigMap", "synapse-grafana")["data"]
    return {name: yaml.safe_load(text) for name, text in data.items()}


def test_nothing_is_made_unless_it_is_asked_for() -> None:
    made = with_values(KEY)
    assert not made.of("ServiceMonitor")
    assert not made.of("PrometheusRule")
    assert "synapse-dashboard" not in {one["metadata"]["name"] for one in made.of("ConfigMap")}


def test_every_service_is_scraped() -> None:
    assert set(monitors(with_values(KEY, ON, WITHOUT_ENVOY))) == SERVICES


def test_a_server_of_models_is_scraped_where_there_is_one() -> None:
    assert set(monitors(with_values(KEY, ON, WITHOUT_ENVOY, *TEI))) == {*SERVICES, "embeddings-tei"}


def test_envoy_is_scraped_where_there_is_one() -> None:
    made = with_values(KEY, ON, ("envoy.enabled", "true"))
    assert set(monitors(made)) == {*SERVICES, "envoy"}
    assert monitors(made)["envoy"]["spec"]["endpoints"][0]["path"] == "/stats/prometheus"


def test_a_monitor_is_as_the_values_say() -> None:
    given = (("monitoring.serviceMonitor.interval", "15s"), ("monitoring.serviceMonitor.labels.release", "prometheus"))
    monitor = monitors(with_values(KEY, ON, *given))["gateway"]
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert "app.kubernetes.io/part-of" in monitor["spec"]["targetLabels"]


def test_grafana_asks_the_prometheus_that_is_named() -> None:
    given = ("monitoring.grafana.prometheusUrl", "http://prometheus.example:9090")
    [source] = files(grafana(given))["datasource.yaml"]["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus.example:9090")


def test_grafana_starts_on_the_dashboard() -> None:
    made = grafana()
    [container] = made.one("Deployment", "synapse-grafana")["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    [provider] = files(made)["provider.yaml"]["providers"]
    assert provider["options"]["path"] == mounts["dashboard"]
    assert env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{mounts['dashboard']}/synapse.json"
    assert dashboard()["title"] in made.one("ConfigMap", "synapse-dashboard")["data"]["synapse.json"]


def test_grafanas_password_is_the_secrets() -> None:
    [container] = grafana().one("Deployment", "synapse-grafana")["spec"]["template"]["spec"]["containers"]
    [password] = [one for one in container["env"] if one["name"] == "GF_SECURITY_ADMIN_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "synapse-internal", "key": "grafana-admin-password"}


def test_another_prometheus_restarts_grafana() -> None:
    def annotations(*given: tuple[str, str]) -> dict[str, str]:
        template = grafana(*given).one("Deployment", "synapse-grafana")["spec"]["template"]
        return {**template["metadata"]["annotations"]}

    assert annotations() == annotations()
    assert annotations() != annotations(("monitoring.grafana.prometheusUrl", "http://other:9090"))
