"""The dashboard and the alerts, and every expression in them."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import yaml

from tests.support.parts import ROOT

DASHBOARD = ROOT / "helm/synapse/dashboards/synapse.json"
ALERTS = ROOT / "helm/synapse/files/alerts.yaml"
PAGE = ROOT / "docs/monitoring.md"
UNIT_TESTS = sorted((ROOT / "tests/monitoring").glob("*_test.yaml"))
INTERVAL = "5m"
"""What stands for the dashboard's variables of time."""
_VARIABLES = re.compile(r"\$(?:__range|__rate_interval|interval)\b")


@cache
def dashboard() -> dict[str, Any]:
    """The dashboard's model."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """Its panels, rows left out."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


@cache
def alerts() -> list[dict[str, Any]]:
    """Every alert, as its rule."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def queries() -> dict[str, list[str]]:
    """Expressions of the dashboard by the title of their panel, with a time for its variables."""
    return {panel["title"]: [settled(one["expr"]) for one in panel["targets"]] for panel in panels()}


def settled(expression: str) -> str:
    """A query of the dashboard as Prometheus gets it, but for the namespaces."""
    return _VARIABLES.sub(INTERVAL, expression)


def expressions() -> dict[str, str]:
    """Every expression, of the alerts by their names, of the dashboard by title and place."""
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for title, asked in queries().items():
        found |= {f"{title}, query {number}": one for number, one in enumerate(asked, 1)}
    found |= {f"annotation {one['name']}": one["expr"] for one in dashboard()["annotations"]["list"]}
    return found
