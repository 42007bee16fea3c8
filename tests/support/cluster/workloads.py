"""Controllers: what a Deployment, StatefulSet, Job or Pod wants, one small step at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from tests.support.cluster.manifests import Key, Object, digest
from tests.support.cluster.pods import Pod

Start = Callable[[Key, str, Object, str], None]
"""Start a pod: its owner, name ("" draws one), template and revision."""


def step(key: Key, wanted: Object, pods: Sequence[Pod], start: Start) -> None:
    """Start and delete the pods of one workload that may be started and deleted now."""
    steps = {"Deployment": _deployment, "StatefulSet": _stateful_set, "Job": _job, "Pod": _pod}
    steps[key.kind](key, wanted, pods, start)


def is_settled(key: Key, wanted: Object, pods: Sequence[Pod]) -> bool:
    """Whether a workload has exactly the pods that it wants, all ready and up to date; a Job or Pod: has ended."""
    if key.kind in {"Job", "Pod"}:
        return any(pod.phase == "Succeeded" or (key.kind == "Pod" and pod.is_ready) for pod in pods)
    revision = digest(wanted["spec"]["template"])
    replicas = wanted["spec"].get("replicas", 1)
    return len(pods) == replicas and all(pod.is_ready and pod.revision == revision for pod in pods)


def _deployment(key: Key, wanted: Object, pods: Sequence[Pod], start: Start) -> None:
    spec = wanted["spec"]
    replicas, template = spec.get("replicas", 1), spec["template"]
    revision, living = digest(template), [pod for pod in pods if pod.deleted_at is None]
    new = [pod for pod in living if pod.revision == revision]
    old = [pod for pod in living if pod.revision != revision]
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate" and len(new) < len(pods):
        for pod in old:
            pod.delete()
        return
    surge, unavailable = _limits(strategy.get("rollingUpdate") or {}, replicas)
    for _ in range(min(replicas - len(new), replicas + surge - len(living))):
        start(key, "", template, revision)
    for pod in sorted(new, key=lambda pod: (pod.is_ready, -pod.began))[: max(len(new) - replicas, 0)]:
        pod.delete()
    _retire(old, new, least=replicas - unavailable, settled_seconds=spec.get("minReadySeconds", 0))


def _retire(old: Sequence[Pod], new: Sequence[Pod], *, least: int, settled_seconds: float) -> None:
    """Delete what is out of date, so that at least `least` pods stay available."""
    available = [pod for pod in (*old, *new) if _is_available(pod, settled_seconds)]
    unready_new = sum(not _is_available(pod, settled_seconds) for pod in new)
    may_go = len(old) + len(new) - least - unready_new
    unready = [pod for pod in old if not _is_available(pod, settled_seconds)][: max(may_go, 0)]
    ready = [pod for pod in old if _is_available(pod, settled_seconds)]
    for pod in [*unready, *ready[: max(min(len(available) - least, may_go - len(unready)), 0)]]:
        pod.delete()


def _stateful_set(key: Key, wanted: Object, pods: Sequence[Pod], start: Start) -> None:
    spec = wanted["spec"]
    replicas, template = spec.get("replicas", 1), spec["template"]
    at_once = spec.get("podManagementPolicy") == "Parallel"
    revision, by_name = digest(template), {pod.name: pod for pod in pods}
    names = [f"{key.name}-{ordinal}" for ordinal in range(replicas)]
    for name in names:
        if name not in by_name:
            start(key, name, _with_claims(spec, template, name), revision)
        if not at_once and (name not in by_name or not by_name[name].is_ready):
            return
    surplus = sorted((pod for pod in pods if pod.name not in names), key=lambda pod: -_ordinal(pod))
    for pod in surplus if at_once else surplus[:1]:
        pod.delete()
    if surplus or (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return
    settled_seconds = spec.get("minReadySeconds", 0)
    for name in reversed(names):
        pod = by_name.get(name)
        if pod is None or (pod.revision == revision and not _is_available(pod, settled_seconds)):
            return
        if pod.revision != revision:
            pod.delete()
            return


def _job(key: Key, wanted: Object, pods: Sequence[Pod], start: Start) -> None:
    failed = sum(pod.phase == "Failed" for pod in pods)
    if all(pod.phase == "Failed" for pod in pods) and failed <= wanted["spec"].get("backoffLimit", 6):
        start(key, "", wanted["spec"]["template"], "")


def _pod(key: Key, wanted: Object, pods: Sequence[Pod], start: Start) -> None:
    if not pods:
        start(key, key.name, wanted, "")


def _limits(told: Object, replicas: int) -> tuple[int, int]:
    """How many pods more, and how many less, there may be on the way."""
    surge = _share(told.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _share(told.get("maxUnavailable", "25%"), replicas, math.floor)
    return surge, unavailable if surge or unavailable else 1


def _share(told: int | str, replicas: int, rounded: Callable[[float], int]) -> int:
    return rounded(int(told[:-1]) * replicas / 100) if isinstance(told, str) else told


def _with_claims(spec: Object, template: Object, name: str) -> Object:
    """The template of one pod of a StatefulSet: with volumes of its own, and a name that DNS knows."""
    claims = [
        {
            "name": claim["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": f"{claim['metadata']['name']}-{name}"},
        }
        for claim in spec.get("volumeClaimTemplates") or ()
    ]
    pod = template["spec"]
    known = {claim["name"] for claim in claims}
    volumes = [*(one for one in pod.get("volumes") or () if one["name"] not in known), *claims]
    labels = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": name.rpartition("-")[2]}
    metadata = {**template["metadata"], "labels": {**(template["metadata"].get("labels") or {}), **labels}}
    return {"metadata": metadata, "spec": {**pod, "volumes": volumes, "subdomain": spec.get("serviceName", "")}}


def _ordinal(pod: Pod) -> int:
    return int(pod.name.rpartition("-")[2])


def _is_available(pod: Pod, settled_seconds: float) -> bool:
    return pod.is_ready and pod.ready_since is not None and time.monotonic() - pod.ready_since >= settled_seconds
