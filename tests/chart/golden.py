"""What no upgrade may change: names, selectors and claims of objects. `python -m tests.chart.golden` writes them anew.

A cluster refuses a change of a selector or a claim, and what gets another name is deleted and made again, its data lost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chart.cases import rendered
from tests.chart.manifests import Manifests

FILE = Path(__file__).with_name("golden.json")
CASES = ("everything", "self-hosted-bundled", "production", "triton")


def fixed(found: Manifests) -> dict[str, Any]:
    """Names of all objects, with what is immutable in each."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": _immutable(one)
        for one in found.objects
        if one["kind"] not in {"Pod", "Job"}
    }


def _immutable(one: dict[str, Any]) -> dict[str, Any]:
    spec = one.get("spec", {})
    kept = {"selector": spec.get("selector")} if one["kind"] in {"Deployment", "StatefulSet"} else {}
    if one["kind"] == "StatefulSet":
        kept["serviceName"] = spec["serviceName"]
        kept["podManagementPolicy"] = spec.get("podManagementPolicy", "OrderedReady")
        kept["claims"] = [
            {"name": claim["metadata"]["name"], "labels": claim["metadata"].get("labels", {})}
            for claim in spec.get("volumeClaimTemplates", [])
        ]
    return kept


def written() -> dict[str, Any]:
    """What the file says of each case."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


if __name__ == "__main__":
    now = {case: fixed(rendered(case)) for case in CASES}
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
