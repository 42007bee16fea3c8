"""The schema of the values and the values themselves know the same names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.chart.cases import CHART


@cache
def schema() -> dict[str, Any]:
    """values.schema.json."""
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return found


@cache
def values() -> dict[str, Any]:
    """The defaults, those of the components at their places."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    for part in chart["dependencies"]:
        defaults = yaml.safe_load((CHART / "charts" / part["name"] / "values.yaml").read_text()) or {}
        place = part.get("alias", part["name"])
        found[place] = defaults | found.get(place, {})
    return found


def resolved(part: Any) -> Any:
    """A part of the schema, its reference followed."""
    while "$ref" in part:
        part = schema()["definitions"][part["$ref"].rpartition("/")[2]]
    return part


def unknown_to_the_schema(part: Any, value: Any, where: str) -> Iterator[str]:
    """Names of values that the schema would refuse."""
    known = resolved(part).get("properties")
    if known is None or not isinstance(value, dict):
        return
    for name, below in value.items():
        if name in known:
            yield from unknown_to_the_schema(known[name], below, f"{where}.{name}")
        else:
            yield f"{where}.{name}"


def without_a_default(part: Any, value: Any, where: str) -> Iterator[str]:
    """Names of the schema that the values do not show; an empty object means that any of its names may be given."""
    if not isinstance(value, dict) or not value:
        return
    for name, below in (resolved(part).get("properties") or {}).items():
        if name not in value:
            yield f"{where}.{name}"
        else:
            yield from without_a_default(below, value[name], f"{where}.{name}")


def open_objects(part: Any, where: str) -> Iterator[str]:
    """Objects of the schema that list their names and take others, too."""
    found = resolved(part)
    if "properties" in found and found.get("additionalProperties") is not False:
        yield where
    for name, below in found.get("properties", {}).items():
        yield from open_objects(below, f"{where}.{name}")


def test_every_value_is_one_that_the_schema_takes() -> None:
    assert not list(unknown_to_the_schema(schema(), values(), ""))


def test_every_name_of_the_schema_has_a_default_that_shows_it() -> None:
    found = without_a_default(schema(), values(), "")
    # Helm hands `global` to every part of a chart; `claims` is a name of Kubernetes.
    assert not [name for name in found if not name.endswith((".global", ".resources.claims"))]


def test_no_level_takes_a_name_that_it_does_not_know() -> None:
    assert list(open_objects(schema(), "")) == [".global"]  # of all charts that a release may be made of
