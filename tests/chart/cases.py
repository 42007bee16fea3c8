"""What the chart is rendered with: every values file, and the flags that the guide gives with it. Rendered once each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from tests.chart.manifests import Manifests, Object
from tests.support import helm
from tests.support.parts import ROOT

CHART = ROOT / "helm/synapse"
NAMESPACE = "synapse"
RELEASE = "synapse"
KEY = "sk-of-the-ladder"
_OWN = {
    "dependencies.redis.external.url": "redis://your-redis:6379",
    "dependencies.milvus.external.endpoint": "your-milvus:19530",
}
_OPENAI = {"providers.openai.apiKey": KEY}
_FLAGS = {
    "values/self-hosted-pilot.yaml": _OWN | _OPENAI,
    "values/self-hosted-bundled.yaml": _OPENAI,
    "values/production.yaml": _OWN | _OPENAI,
}


@dataclass(frozen=True)
class Case:
    """A values file of the chart, and the values given by --set."""

    file: str
    given: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def flags(self) -> list[str]:
        """What helm is told of it; paths are relative to the repository's root."""
        return ["-f", f"helm/synapse/{self.file}", *sets(self.given)]


def sets(values: Mapping[str, str]) -> list[str]:
    """`values` as flags."""
    return [word for path, value in values.items() for word in ("--set", f"{path}={value}")]


def _files() -> list[str]:
    found = [*CHART.glob("values/*.yaml"), *CHART.glob("ci/*-values.yaml")]
    return sorted(str(path.relative_to(CHART)) for path in found)


CASES = {Path(file).stem.removesuffix("-values"): Case(file, _FLAGS.get(file, {})) for file in _files()}


def template(
    flags: list[str], *, version: str = helm.NEWEST, kubernetes: str = "1.30", release: str = RELEASE
) -> helm.Done:
    """Run `helm template` on the chart with these flags."""
    command = [helm.binary(version), "template", release, "./helm/synapse", "--namespace", NAMESPACE]
    return helm.run([*command, "--kube-version", kubernetes, *flags], ROOT)


def parsed(text: str) -> Manifests:
    """The objects of a rendering."""
    return Manifests([found for found in yaml.load_all(text, yaml.CSafeLoader) if found])


@cache
def text_of(case: str, version: str = helm.NEWEST) -> str:
    """What a case renders to; an AssertionError with helm's words where it does not."""
    done = template(CASES[case].flags, version=version)
    assert done.status == 0, done.errors
    return done.output


@cache
def rendered(case: str, version: str = helm.NEWEST) -> Manifests:
    """The objects of a case."""
    return parsed(text_of(case, version))


@cache
def with_values(*given: tuple[str, str], file: str = "") -> Manifests:
    """The objects that the chart makes of these values, given by --set."""
    done = template([*(("-f", f"helm/synapse/{file}") if file else ()), *sets(dict(given))])
    assert done.status == 0, done.errors
    return parsed(done.output)


def settled(text: str) -> list[str]:
    """What a rendering says besides what is generated anew each time: texts of Secrets, and checksums of them."""
    return sorted(repr(_without_chance(one)) for one in parsed(text).objects)


def _without_chance(one: Object) -> Object:
    if one["kind"] == "Secret":
        return {**one, "data": sorted(one.get("data") or {}), "stringData": sorted(one.get("stringData") or {})}
    notes = one.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    notes.update(dict.fromkeys([name for name in notes if name.startswith("checksum/")], ""))
    return one
