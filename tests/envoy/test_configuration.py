"""What Envoy is given: up to date, taken by a real Envoy, and the same in the chart as on this machine."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
import yaml
from google.api import annotations_pb2
from scripts import envoy as script

from synapse.cache.v1 import cache_pb2
from synapse.embed.v1 import embed_pb2
from synapse.router.v1 import router_pb2
from tests.chart.cases import with_values
from tests.support import envoy_server, helm
from tests.support.certificates import Mounted
from tests.support.parts import ROOT

SERVICES = [
    file.DESCRIPTOR.services_by_name[name]
    for file, name in ((cache_pb2, "CacheService"), (embed_pb2, "EmbedService"), (router_pb2, "RouterService"))
]
TLS = (("envoy.tls.enabled", "true"), ("envoy.tls.existingSecret", "door"))
MTLS = (("mtls.enabled", "true"), ("mtls.existingSecret", "mesh"))
OTHERS = (("telemetry.otlpEndpoint", "https://otel.example.com:4317"), ("envoy.rateLimit.requestsPerSecond", "5"))
each_rendering = pytest.mark.parametrize("given", [(), (*TLS, *MTLS, *OTHERS)], ids=["default", "everything"])


def in_chart(*given: tuple[str, str]) -> dict[str, str]:
    """The files that Envoy's pod has; those of the descriptors as base64."""
    found = with_values(("envoy.enabled", "true"), ("providers.openai.apiKey", "sk-x"), *given)
    config = found.one("ConfigMap", "synapse-envoy")
    return {**config["data"], **config["binaryData"]}


def test_what_is_committed_is_up_to_date() -> None:
    command = [sys.executable, "scripts/envoy.py", "--check", "--helm", helm.binary()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_envoy_takes_what_is_committed(tmp_path: Path) -> None:
    config = tmp_path / "envoy.yaml"
    (tmp_path / "synapse.pb").write_bytes(base64.b64decode(script.DESCRIPTORS.read_text()))
    config.write_text(script.CONFIG.read_text().replace("envoy/synapse.pb", f"{tmp_path}/synapse.pb"))
    assert envoy_server.refusal(config) == ""


@each_rendering
def test_envoy_takes_what_the_chart_renders(given: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    for secret in ("envoy-tls", "synapse-tls"):
        mounted = Mounted(tmp_path / secret / "mounted", trustme.CA()).settings
        for name, file in (("tls.crt", mounted.cert), ("tls.key", mounted.key), ("ca.crt", mounted.ca)):
            (tmp_path / secret / name).write_bytes(file.read_bytes())
    (tmp_path / "envoy").mkdir()
    for name, text in in_chart(*given).items():
        settled = re.sub("/etc/(?=envoy|synapse)", f"{tmp_path}/", text).encode()
        (tmp_path / "envoy" / name).write_bytes(base64.b64decode(text) if name.endswith(".pb") else settled)
    assert envoy_server.refusal(tmp_path / "envoy" / "envoy.yaml") == ""


def test_the_chart_and_this_machine_have_one_configuration() -> None:
    """They differ in names, addresses and bounds, and in nothing that has a shape."""
    assert shape(yaml.safe_load(in_chart()["envoy.yaml"])) == shape(yaml.safe_load(script.CONFIG.read_text()))


def test_the_chart_has_the_descriptors_that_are_committed() -> None:
    assert base64.b64decode(in_chart()["synapse.pb"]) == script.descriptors()
    assert len(in_chart()["synapse.pb"]) < 2**19, "half of what a ConfigMap may hold"


def test_every_rpc_has_a_path() -> None:
    bare = [
        method.full_name
        for service in SERVICES
        for method in service.methods
        if not method.GetOptions().HasExtension(annotations_pb2.http)
    ]
    assert bare == []


def shape(value: object) -> object:
    """A configuration without its scalars."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else None
