"""A cluster that ends, or whose caller dies, leaves nothing on the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.cluster.manifests import SLEEP, container, pod, workload
from tests.support import parts
from tests.support.cluster.cluster import Cluster

_CALLER = """
import sys, time
from tests.cluster.manifests import SLEEP, container, pod, workload
from tests.support.cluster.cluster import Cluster
with Cluster() as cluster:
    cluster.apply([workload("left", pod(container(*SLEEP, "leftover")))])
    cluster.wait_ready()
    print("ready", flush=True)
    time.sleep(600)
"""


def links() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def test_a_cluster_that_ends_leaves_no_process_link_or_mount() -> None:
    before, mounted, others = links(), Path("/proc/mounts").read_text(), set(psutil.Process().children(recursive=True))
    with Cluster() as cluster:
        cluster.apply([workload("left", pod(container(*SLEEP)))])
        cluster.wait_ready()
        family = set(psutil.Process().children(recursive=True)) - others
        assert len(family) >= 3
        assert links() == before
        assert Path("/proc/mounts").read_text() == mounted
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert (links(), Path("/proc/mounts").read_text()) == (before, mounted)


def test_nothing_outlives_a_caller_that_is_killed(cluster: Cluster) -> None:
    caller = subprocess.Popen([sys.executable, "-c", _CALLER], cwd=parts.ROOT, stdout=subprocess.PIPE)
    try:
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"ready\n"
        family = psutil.Process(caller.pid).children(recursive=True)
        assert any("leftover" in one.cmdline() for one in family)
    finally:
        caller.kill()
        caller.communicate(timeout=10)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
