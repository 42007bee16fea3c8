"""The runner starts, probes, restarts and stops containers as a kubelet does."""

from __future__ import annotations

import time

import pytest

from tests.cluster.manifests import SLEEP, container, pod, workload
from tests.support.cluster.cluster import Cluster, ClusterError

_ASKED = "import signal, time, sys; signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit()))"
_POLITE = f"{_ASKED}; print('up', flush=True); time.sleep(600)"


def wait_until_gone(cluster: Cluster, target: str, seconds: float = 20.0) -> float:
    began = time.monotonic()
    while cluster.pods(target):
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def test_what_ends_is_started_again(cluster: Cluster) -> None:
    cluster.apply([workload("crash", pod(container("-c", "print('once', flush=True); exit(3)")))])
    assert cluster.wait_reason("deploy/crash", "CrashLoopBackOff") == "exit status 3"
    cluster.wait_log("deploy/crash", "once\nonce")
    cluster.delete("deploy/crash")


def test_a_container_is_ready_when_its_probe_says_so(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    cluster.apply([workload("probed", pod(container(*SLEEP, readinessProbe=probe)))])
    with pytest.raises(ClusterError, match="did not get there"):
        cluster.wait_ready("deploy/probed", seconds=1)
    cluster.exec("deploy/probed", ["touch", "/tmp/ready"])
    cluster.wait_ready("deploy/probed")


def test_a_container_that_fails_its_liveness_probe_is_replaced(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 2}
    cluster.apply([workload("alive", pod(container("-c", _POLITE, livenessProbe=probe)))])
    cluster.wait_log("deploy/alive", "up")
    cluster.exec("deploy/alive", ["touch", "/tmp/dead"])
    cluster.wait_log("deploy/alive", "Liveness probe failed")
    cluster.wait_log("deploy/alive", "asked\nup")
    cluster.wait_ready("deploy/alive")
    assert cluster.pods("deploy/alive")[0]["containers"][0]["restarts"] == 1


def test_liveness_is_not_asked_before_the_start_is_over(cluster: Cluster) -> None:
    startup = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 100}
    liveness = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1}
    main = container("-c", "import time; time.sleep(1); open('/tmp/up', 'w'); time.sleep(600)")
    cluster.apply([workload("slow", pod({**main, "startupProbe": startup, "livenessProbe": liveness}))])
    cluster.wait_ready("deploy/slow")
    assert cluster.pods("deploy/slow")[0]["containers"][0]["restarts"] == 0


def test_a_stop_runs_the_hook_then_asks_then_kills(cluster: Cluster) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 1; echo hooked > /proc/1/fd/1"]}}}
    spec = pod(container("-c", _POLITE, lifecycle=hook), terminationGracePeriodSeconds=30)
    cluster.apply([workload("polite", spec), workload("stubborn", pod(container(*SLEEP)))])
    cluster.wait_ready("deploy/polite", "deploy/stubborn")
    cluster.wait_log("deploy/polite", "up")
    for name in ("polite", "stubborn"):
        cluster.scale(f"deploy/{name}", 0)
    assert 1.0 < wait_until_gone(cluster, "deploy/stubborn") < 10.0
    wait_until_gone(cluster, "deploy/polite")
    log = cluster.logs("deploy/polite")
    assert log.index("hooked") < log.index("asked")
