"""The metrics that the services declare, and the labels of each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from prometheus_client.metrics import MetricWrapperBase
from scripts.reference import METRIC_MODULES

from synapse_gateway.metrics import Metrics

OF_SCRAPES = frozenset({"namespace", "pod", "job", "instance", "service", "container", "endpoint"})
"""What the Prometheus Operator lays over every metric; one of a metric's own of such a name is lost."""
OF_TARGETS = frozenset({"app_kubernetes_io_part_of", "app_kubernetes_io_component"})
"""What our ServiceMonitors add to that."""
OF_PROMETHEUS = {"up": frozenset({*OF_SCRAPES, *OF_TARGETS}), "ALERTS": frozenset({"alertname", "alertstate"})}
OF_PROCESSES = frozenset(
    {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"}
)


@cache
def labels() -> dict[str, frozenset[str]]:
    """Labels by the name of the metric, `_total` of counters included; of several of one name, all."""
    found: dict[str, frozenset[str]] = {}
    for metric in _metrics():
        name = metric._name + ("_total" if metric._type == "counter" else "")
        found[name] = found.get(name, frozenset()) | frozenset(metric._labelnames)
    return found


def _metrics() -> Iterator[MetricWrapperBase]:
    owners = [vars(import_module(name)) for name in METRIC_MODULES] + [vars(Metrics())]
    for owner in owners:
        yield from (one for one in owner.values() if isinstance(one, MetricWrapperBase) and one._is_parent())
        yield from (one for one in owner.values() if isinstance(one, MetricWrapperBase) and not one._labelnames)
