"""The runner's Deployments, StatefulSets and Services behave as those of a cluster."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from tests.cluster.manifests import SLEEP, config_map, container, pod, service, site, workload
from tests.support.cluster.cluster import Cluster

_RESOLVE = "import socket; print(sorted({x[4][0] for x in socket.getaddrinfo(%r, 80, socket.AF_INET)}))"


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> str:
    """A Deployment `web` of two web servers that take their leave slowly, behind an address of its own at port 80."""
    main, volume = site("web", lifecycle={"preStop": {"exec": {"command": ["sleep", "1"]}}})
    spec = pod(main, volumes=[volume], terminationGracePeriodSeconds=2)
    ports = [{"port": 80, "targetPort": 8000}]
    cluster.apply([config_map("web", index__html="hello"), workload("web", spec, replicas=2)])
    cluster.apply([service("web", clusterIP=None, ports=ports), service("headless", selector={"app": "web"})])
    cluster.wait_ready("deploy/web")
    return "deploy/web"


def addresses(cluster: Cluster, name: str) -> list[str]:
    """What a name resolves to inside a pod."""
    done = cluster.exec("deploy/web", ["python", "-c", _RESOLVE % name])
    return list(eval(done.output)) if done.status == 0 else []


def test_a_headless_service_is_the_addresses_of_its_ready_pods(cluster: Cluster, web: str) -> None:
    expected = sorted(pod["ip"] for pod in cluster.pods(web))
    for name in ("headless", "headless.default", "headless.default.svc", "headless.default.svc.cluster.local"):
        assert addresses(cluster, name) == expected
    assert addresses(cluster, "nobody") == []


def test_pods_reach_a_service_at_its_own_address_and_port(cluster: Cluster, web: str) -> None:
    [address] = addresses(cluster, "web")
    assert address.startswith("10.96.")
    fetch = "import urllib.request as u; print(u.urlopen('http://web/', timeout=5).read().decode())"
    assert cluster.exec(web, ["python", "-c", fetch]).output.strip() == "hello"


def test_a_forward_reaches_the_pods_from_this_machine(cluster: Cluster, web: str) -> None:
    for target, port in (("svc/web", 80), (web, 8000), (f"pod/{cluster.pods(web)[0]['name']}", 8000)):
        assert httpx.get(f"http://{cluster.forward(target, port)}/").text == "hello"


def test_a_rolling_update_replaces_every_pod_and_drops_no_request(cluster: Cluster, web: str) -> None:
    before, url = {pod["name"] for pod in cluster.pods(web)}, f"http://{cluster.forward('svc/web', 80)}/"
    statuses: list[int] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            statuses.append(httpx.get(url, timeout=5).status_code)

    asking = threading.Thread(target=load)
    asking.start()
    try:
        cluster.restart(web)
        cluster.wait_ready(web)
    finally:
        over.set()
        asking.join(10)
    assert before.isdisjoint(pod["name"] for pod in cluster.pods(web))
    assert set(statuses) == {200}
    assert len(statuses) > 20


def test_the_pods_of_a_stateful_set_have_names_volumes_and_an_order(cluster: Cluster, web: str) -> None:
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    main = container("-c", "open('/data/x', 'a').write('.'); import time; time.sleep(600)")
    spec = pod({**main, "volumeMounts": [{"name": "data", "mountPath": "/data"}]})
    state = workload("db", spec, kind="StatefulSet", replicas=2, serviceName="db", volumeClaimTemplates=claims)
    cluster.apply([state, service("db")])
    cluster.wait_ready("sts/db")
    first, second = cluster.pods("sts/db")
    assert (first["name"], second["name"]) == ("db-0", "db-1")
    assert addresses(cluster, "db-1.db") == [second["ip"]]
    cluster.restart("sts/db")
    cluster.wait_ready("sts/db")
    read = ["python", "-c", "import time; time.sleep(0.3); print(open('/data/x').read())"]
    assert cluster.exec("pod/db-0", read).output.strip() == ".."


def test_scaling_starts_and_stops_pods(cluster: Cluster) -> None:
    cluster.apply([workload("scaled", pod(container(*SLEEP)))])
    for replicas in (3, 1):
        cluster.scale("deploy/scaled", replicas)
        cluster.wait_ready("deploy/scaled")
        assert len(cluster.pods("deploy/scaled")) == replicas


def test_a_pod_whose_probe_fails_gets_no_connections_until_it_passes(cluster: Cluster) -> None:
    main, volume = site("unready")
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/not"]}, "periodSeconds": 1, "failureThreshold": 1}
    cluster.apply([config_map("unready", index__html="x"), service("unready")])
    cluster.apply([workload("unready", pod({**main, "readinessProbe": probe}, volumes=[volume]))])
    cluster.wait_ready("deploy/unready")
    cluster.exec("deploy/unready", ["touch", "/tmp/not"])
    deadline = time.monotonic() + 10
    while cluster.pods("deploy/unready")[0]["ready"]:
        assert time.monotonic() < deadline
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{cluster.forward('svc/unready', 8000)}/")
