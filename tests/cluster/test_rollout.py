"""Under load a release is restarted, scaled out and scaled in without a failed request."""

from __future__ import annotations

import time

import pytest

from tests.cluster import doors
from tests.cluster.load import running_load
from tests.cluster.release import Release

_SETTLE_SECONDS = 120.0
_SPREAD_SECONDS = 45.0
RESTARTED = (
    *("deploy/synapse-gateway", "sts/synapse-proxy", "deploy/synapse-llm-router", "deploy/synapse-embeddings"),
    "deploy/synapse-envoy",
)


@pytest.mark.timeout(240)
def test_a_rolling_restart_of_every_service_drops_no_request(release: Release, namespace: str) -> None:
    with running_load(release, namespace, more=doors.asking(release, namespace)) as load:
        time.sleep(1)
        for target in RESTARTED:
            release.cluster.restart(target)
        release.cluster.wait_ready(*RESTARTED, seconds=_SETTLE_SECONDS)
        time.sleep(1)
    assert not load.failures, "\n".join([*load.failures[:20], *release.cluster.events()])
    assert min(load.good["whole"], load.good["whole gRPC"]) > 50
    assert min(load.good["streamed"], load.good["streamed gRPC"]) >= 4


@pytest.mark.timeout(240)
def test_scaling_the_proxy_out_and_in_spreads_the_work_and_drops_no_request(release: Release, namespace: str) -> None:
    cluster = release.cluster
    with running_load(release, namespace, more=doors.asking(release, namespace)) as load:
        cluster.scale("sts/synapse-proxy", 4)
        cluster.wait_ready("sts/synapse-proxy", seconds=_SETTLE_SECONDS)
        served = wait_until_all_served(release)
        cluster.scale("sts/synapse-proxy", 1)
        cluster.wait_ready("sts/synapse-proxy", seconds=_SETTLE_SECONDS)
        time.sleep(1)
    cluster.scale("sts/synapse-proxy", 2)
    cluster.wait_ready("sts/synapse-proxy", seconds=_SETTLE_SECONDS)
    assert not load.failures, "\n".join([*load.failures[:20], *release.cluster.events()])
    assert len(served) == 4
    assert min(served.values()) > 0, served


def wait_until_all_served(release: Release) -> dict[str, float]:
    """How many requests each replica of the proxy has answered, once all have, or when that takes too long."""
    deadline = time.monotonic() + _SPREAD_SECONDS
    while True:
        served = {pod["name"]: answered(release, pod["name"]) for pod in release.cluster.pods("sts/synapse-proxy")}
        if all(served.values()) or time.monotonic() > deadline:
            return served
        time.sleep(0.2)


def answered(release: Release, pod: str) -> float:
    """How many requests a replica of the proxy has answered."""
    return release.served(pod, 9051, "synapse_cache_lookups_total")
