"""The rules of Kubernetes' pod security standard *restricted*, those of *baseline* among them: each with its name.

A rule tells what breaks it. Rules hold for containers of the start and for ephemeral ones as for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Spec = dict[str, Any]
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("image", "persistentVolumeClaim", "projected", "secret"),
}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    *(f"net.ipv4.{name}" for name in ("ip_local_port_range", "ip_unprivileged_port_start", "tcp_syncookies")),
    *(f"net.ipv4.{name}" for name in ("ping_group_range", "ip_local_reserved_ports", "tcp_keepalive_time")),
    *(f"net.ipv4.{name}" for name in ("tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes")),
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_KINDS = ("initContainers", "containers", "ephemeralContainers")


def broken(pod: Spec) -> list[str]:
    """The rules that a pod's spec breaks, each with where."""
    return [f"{name}: {where}" for name, rule in RULES.items() for where in rule(pod)]


def _containers(pod: Spec) -> list[Spec]:
    return [container for kind in _KINDS for container in pod.get(kind, [])]


def _context(container: Spec) -> Spec:
    return container.get("securityContext") or {}


def _contexts(pod: Spec) -> Iterator[tuple[str, Spec]]:
    yield "pod", pod.get("securityContext") or {}
    for container in _containers(pod):
        yield container["name"], _context(container)


def _host_namespaces(pod: Spec) -> Iterator[str]:
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))


def _privileged(pod: Spec) -> Iterator[str]:
    yield from (one["name"] for one in _containers(pod) if _context(one).get("privileged"))


def _host_process(pod: Spec) -> Iterator[str]:
    yield from (where for where, context in _contexts(pod) if context.get("windowsOptions", {}).get("hostProcess"))


def _capabilities(pod: Spec) -> Iterator[str]:
    for container in _containers(pod):
        capabilities = _context(container).get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield container["name"]


def _volume_types(pod: Spec) -> Iterator[str]:
    for volume in pod.get("volumes", []):
        yield from (f"{volume['name']}: {kind}" for kind in volume.keys() - {"name"} - VOLUMES)


def _host_ports(pod: Spec) -> Iterator[str]:
    yield from (one["name"] for one in _containers(pod) for port in one.get("ports", []) if port.get("hostPort"))


def _app_armor(pod: Spec) -> Iterator[str]:
    for where, context in _contexts(pod):
        if context.get("appArmorProfile", {}).get("type") == "Unconfined":
            yield where


def _selinux(pod: Spec) -> Iterator[str]:
    for where, context in _contexts(pod):
        options = context.get("seLinuxOptions", {})
        if options.get("type", "") not in SELINUX_TYPES or options.get("user") or options.get("role"):
            yield where


def _proc_mount(pod: Spec) -> Iterator[str]:
    yield from (one["name"] for one in _containers(pod) if _context(one).get("procMount", "Default") != "Default")


def _sysctls(pod: Spec) -> Iterator[str]:
    set_here = (pod.get("securityContext") or {}).get("sysctls", [])
    yield from (one["name"] for one in set_here if one["name"] not in SAFE_SYSCTLS)


def _privilege_escalation(pod: Spec) -> Iterator[str]:
    yield from (one["name"] for one in _containers(pod) if _context(one).get("allowPrivilegeEscalation") is not False)


def _inherited(pod: Spec, name: str) -> Iterator[tuple[str, Any]]:
    """What each container has for a setting of security that the pod gives where it says nothing itself."""
    of_the_pod = (pod.get("securityContext") or {}).get(name)
    for container in _containers(pod):
        yield container["name"], _context(container).get(name, of_the_pod)


def _non_root(pod: Spec) -> Iterator[str]:
    yield from (where for where, value in _inherited(pod, "runAsNonRoot") if value is not True)


def _non_root_user(pod: Spec) -> Iterator[str]:
    yield from (where for where, context in _contexts(pod) if context.get("runAsUser") == 0)


def _seccomp(pod: Spec) -> Iterator[str]:
    for where, profile in _inherited(pod, "seccompProfile"):
        if (profile or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield where


RULES: dict[str, Callable[[Spec], Iterator[str]]] = {
    "HostProcess": _host_process,
    "Host Namespaces": _host_namespaces,
    "Privileged Containers": _privileged,
    "Capabilities": _capabilities,
    "Volume Types": _volume_types,
    "Host Ports": _host_ports,
    "AppArmor": _app_armor,
    "SELinux": _selinux,
    "/proc Mount Type": _proc_mount,
    "Sysctls": _sysctls,
    "Privilege Escalation": _privilege_escalation,
    "Running as Non-root": _non_root,
    "Running as Non-root user": _non_root_user,
    "Seccomp": _seccomp,
}
