"""The chart's README: how to install it, and every value out of the comments in the values files."""

from __future__ import annotations

import json
from collections.abc import ItemsView

from scripts.chart.values import CHART, File, Value, files

TARGET = CHART / "README.md"
HEAD = """# Synapse on Kubernetes

Written by `python -m scripts.chart` from the comments in the values files; `make check` fails when it is not up to
date. [docs/deploy.md](../../docs/deploy.md) tells the whole journey.

Kubernetes 1.25 or newer, Helm 3.10 or newer. GPU nodes, the Prometheus Operator, cert-manager, KEDA and the Gateway API
are asked for only by the values that need them.

```
# beside a Redis (7.0 or newer) and a Milvus (2.3 or newer) of yours
helm install synapse ./helm/synapse -f helm/synapse/values/self-hosted-pilot.yaml \\
  --set dependencies.redis.external.url="redis://your-redis:6379" \\
  --set dependencies.milvus.external.endpoint="your-milvus:19530" \\
  --set providers.openai.apiKey="sk-..." --namespace synapse --create-namespace

# all in one
helm install synapse ./helm/synapse -f helm/synapse/values/self-hosted-bundled.yaml \\
  --set providers.openai.apiKey="sk-..." --namespace synapse --create-namespace

# several replicas, embeddings on a GPU
helm install synapse ./helm/synapse -f helm/synapse/values/production.yaml \\
  --set dependencies.redis.external.url="redis://your-redis:6379" \\
  --set dependencies.milvus.external.endpoint="your-milvus:19530" \\
  --set providers.openai.apiKey="sk-..." --namespace synapse --create-namespace
```

A value that nobody knows is refused by name (`values.schema.json`), and so are values that contradict each other.
Keys go into the Secret `<release>-secrets`, everything else into the ConfigMap `<release>-config`. A key that is not
given on an upgrade, but lies in that Secret, stays; to take one away, delete it there, too. Where the chart is rendered
without a cluster (`helm template`, Argo CD) nothing can be looked up: give `secrets.existingSecret` (or
`secrets.synapseApiKey`) and `secrets.meshSecret`, and `redis.password` and `grafana.adminPassword` where those are
deployed.

## Values
"""


def render() -> str:
    """The whole page; raises ValueError for values without a comment."""
    lines = [HEAD]
    own, *parts = files()
    for name, values in _sections(own):
        lines += _table([f"### `{name}`" if name else "### Names and settings", ""], values)
    for part in parts:
        about = [part.about, ""] if part.about else []
        lines += _table([f"### `{part.prefix}`", "", *about], list(part.values()))
    return "\n".join(lines).rstrip() + "\n"


def _sections(own: File) -> ItemsView[str, list[Value]]:
    """The chart's own values by their first step; those of one step stand together under no name."""
    found: dict[str, list[Value]] = {"": []}
    for value in own.values():
        head, _, rest = value.path.partition(".")
        found.setdefault(head if rest else "", []).append(value)
    return found.items()


def _table(head: list[str], values: list[Value]) -> list[str]:
    bare = [one.path for one in values if not one.description]
    if bare:
        raise ValueError(f"values without a comment `# -- ...` above them: {', '.join(bare)}")
    rows = [f"| `{one.path}` | {_shown(one.default)} | {_cell(one.description)} |" for one in values]
    return [*head, "| value | default | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _shown(default: object) -> str:
    return "none" if default in ("", None) else f"`{_cell(json.dumps(default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
