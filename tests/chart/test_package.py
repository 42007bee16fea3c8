"""The chart as it is handed on: packaged it is the same, its test compiles, and nothing in it is fetched."""

from __future__ import annotations

import ast
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.chart.cases import CASES, CHART, RELEASE, rendered, settled
from tests.support import helm
from tests.support.parts import ROOT


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_the_packaged_chart_renders_the_same(version: str, tmp_path: Path) -> None:
    program = helm.binary(version)
    packed = helm.run([program, "package", "./helm/synapse", "--destination", str(tmp_path)], ROOT)
    assert packed.status == 0, packed.errors
    [archive] = tmp_path.glob("synapse-*.tgz")
    flags = ["--namespace", "synapse", *CASES["everything"].flags]
    whole, part = (
        helm.run([program, "template", RELEASE, chart, *flags], ROOT) for chart in ("./helm/synapse", str(archive))
    )
    assert part.status == 0, part.errors
    assert settled(part.output) == settled(whole.output)


def test_the_package_holds_the_values_files_and_the_dashboard(tmp_path: Path) -> None:
    helm.run([helm.binary(), "package", "./helm/synapse", "--destination", str(tmp_path)], ROOT)
    [archive] = tmp_path.glob("synapse-*.tgz")
    with tarfile.open(archive) as packed:
        names = set(packed.getnames())
    wanted = ("values/self-hosted-pilot.yaml", "values/self-hosted-bundled.yaml", "values/production.yaml")
    assert {f"synapse/{name}" for name in (*wanted, "dashboards/synapse.json", "values.schema.json")} <= names


def test_no_part_of_the_chart_is_fetched() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert [one["name"] for one in chart["dependencies"] if "repository" in one] == []
    assert {one["name"] for one in chart["dependencies"]} == {path.name for path in (CHART / "charts").iterdir()}


def test_charts_and_product_have_one_version() -> None:
    charts = [yaml.safe_load(path.read_text()) for path in (CHART / "Chart.yaml", *CHART.glob("charts/*/Chart.yaml"))]
    assert len({chart["version"] for chart in charts}) == 1
    assert charts[0]["kubeVersion"].startswith(">=1.25")


def test_the_releases_test_asks_the_gateway_with_a_script_that_compiles() -> None:
    [pod] = [one for one in rendered("self-hosted-pilot").workloads if one.object["kind"] == "Pod"]
    assert pod.object["metadata"]["annotations"]["helm.sh/hook"] == "test"
    [container] = pod.containers
    script = max(map(str, [*container.get("command", []), *container.get("args", [])]), key=len)
    assert ast.parse(script).body
    assert any("synapse-gateway" in str(part) for part in (container.get("env"), script, container.get("args")))
