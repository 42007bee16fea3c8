"""Pods: their containers are created, started in order, probed, started again, and stopped, as a kubelet does it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.cluster import linux, probes
from tests.support.cluster.dns import DOMAIN, resolv_conf
from tests.support.cluster.environment import ConfigError, Facts, command_line, environment
from tests.support.cluster.images import Image
from tests.support.cluster.launch import Container, Mount
from tests.support.cluster.manifests import Key, Object, Store
from tests.support.cluster.network import NODE_IP, Network
from tests.support.cluster.processes import Process
from tests.support.cluster.volumes import Volumes

RETRY_SECONDS = 1.0
BACK_OFF_SECONDS = (0, 10, 20, 40, 80, 160, 300)
_EVENTS = 1000
_SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/share", "/etc/ssl", "/etc/ld.so.cache", "/etc/localtime")
_NAMESWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass(frozen=True)
class Node:
    """What all pods share: objects, images by reference, programs by image, the network, a folder, and how time runs."""

    store: Store
    images: dict[str, Image]
    network: Network
    folder: Path
    programs: Callable[[Image], Path]
    service_links: Callable[[str], dict[str, str]]
    speed: float
    events: deque[str] = field(default_factory=lambda: deque(maxlen=_EVENTS))


class ContainerRun:
    """One container of a pod, through all its restarts."""

    def __init__(self, pod: Pod, spec: Object, *, initial: bool = False) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.log = bytearray()
        self.ready = False
        self.restarts = 0
        self.reason = "ContainerCreating"
        self.message = ""
        self.process: Process | None = None
        self._pod = pod
        self._initial = initial
        self._stopping = False
        self._started = asyncio.Event()
        self._runs = itertools.count()

    async def run(self) -> int:
        """Run it until it need not be started again; returns how it ended last."""
        while True:
            process = await self._created()
            watching = asyncio.create_task(self._watch(process))
            status = await process.wait()
            await probes.ended(watching)
            self.ready = False
            self._started.clear()
            policy = self._pod.restart_policy(initial=self._initial)
            if self._stopping or policy == "Never" or (policy == "OnFailure" and status == 0):
                self.reason = "Completed" if status == 0 else "Error"
                return status
            self.reason, self.message = "CrashLoopBackOff", f"exit status {status}"
            self._pod.tell(f"{self.name} ended: {self.message}")
            pause = BACK_OFF_SECONDS[min(self.restarts, len(BACK_OFF_SECONDS) - 1)]
            await asyncio.sleep(pause / self._pod.node.speed)
            self.restarts += 1

    async def stop(self, grace: float) -> None:
        """The hook before the stop, SIGTERM, and SIGKILL when `grace` seconds are over."""
        self._stopping = True
        process, began = self.process, time.monotonic()
        if process is None or not process.is_running():
            return
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._hook(hook, process, grace)
        await process.stop(max(grace - (time.monotonic() - began), 2.0))

    def told(self) -> dict[str, Any]:
        """What there is to say about it."""
        said = {"name": self.name, "ready": self.ready, "restarts": self.restarts}
        return said | {"reason": self.reason, "message": self.message}

    async def _created(self) -> Process:
        while True:
            try:
                container = self._pod.container(self.spec)
            except ConfigError as error:
                self.reason, self.message = "CreateContainerConfigError", str(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            folder = Path(container.root).parent / f"run-{next(self._runs)}"
            self.process = Process(container, folder, self.log)
            await self.process.start()
            self.reason, self.message = "Running", ""
            return self.process

    async def _watch(self, process: Process) -> None:
        """Probe it for as long as it runs: the start first, then readiness and life side by side."""
        startup, readiness, liveness = (self._probe(kind, process) for kind in probes.KINDS)
        async with asyncio.TaskGroup() as group:
            if startup is not None:
                watching = group.create_task(startup.watch(self._passed_start))
                await self._started.wait()
                watching.cancel()
            self.ready = readiness is None
            if readiness is not None:
                group.create_task(readiness.watch(self._passed_readiness))
            if liveness is not None:
                group.create_task(liveness.watch(self._passed_life))

    def _probe(self, kind: str, process: Process) -> probes.Probe | None:
        told = self.spec.get(kind)
        return probes.Probe(told, self.spec, self._pod.ip, process, self._pod.node.speed) if told else None

    async def _passed_start(self, good: bool, why: str) -> None:  # noqa: FBT001  # the shape of a callback
        if good:
            self._started.set()
        else:
            await self._kill(f"Startup probe failed: {why}")

    async def _passed_readiness(self, good: bool, why: str) -> None:  # noqa: FBT001  # the shape of a callback
        if good != self.ready:
            self._pod.tell(f"{self.name} is {'ready' if good else 'not ready: ' + why}")
        self.ready, self.message = good, "" if good else f"Readiness probe failed: {why}"

    async def _passed_life(self, good: bool, why: str) -> None:  # noqa: FBT001  # the shape of a callback
        if not good:
            await self._kill(f"Liveness probe failed: {why}")

    async def _kill(self, why: str) -> None:
        if self.process is not None and not self._stopping:
            self.log += f"(killed: {why})\n".encode()
            self._pod.tell(f"{self.name} is killed: {why}")
            await self.process.stop(self._pod.grace_seconds)

    async def _hook(self, hook: Object, process: Process, grace: float) -> None:
        match hook:
            case {"exec": {"command": command}}:
                status, output = await process.execute(command, grace)
                if status:
                    self.log += f"(preStop failed with {status}: {output})\n".encode()
            case {"sleep": {"seconds": seconds}}:
                await asyncio.sleep(seconds)
            case _:
                self.log += f"(unknown preStop: {hook})\n".encode()


class Pod:
    """One pod."""

    def __init__(self, node: Node, owner: Key, name: str, template: Object, *, revision: str = "") -> None:
        self.node, self.owner, self.name, self.revision = node, owner, name, revision
        self.namespace = owner.namespace
        self.spec: Object = template["spec"]
        self.labels: dict[str, str] = dict(template["metadata"].get("labels") or {})
        self.annotations: dict[str, str] = dict(template["metadata"].get("annotations") or {})
        self.ip, self.phase, self.uid = "", "Pending", str(uuid.uuid4())
        self.deleted_at: float | None = None
        self.ready_since: float | None = None
        self.began = time.monotonic()
        self._network = ""
        self._folder = node.folder / "pods" / self.uid
        group = (self.spec.get("securityContext") or {}).get("fsGroup")
        self._volumes = Volumes(self._folder, node.folder / "claims", group)
        self.initial = [ContainerRun(self, spec, initial=True) for spec in self.spec.get("initContainers") or ()]
        self.containers = [ContainerRun(self, spec) for spec in self.spec["containers"]]
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to run it."""
        self._task = asyncio.create_task(self._run())
        self.tell("begins")

    def delete(self) -> None:
        """Begin to stop it; it is gone when `phase` says Deleted."""
        if self._ending is None:
            self.deleted_at = time.monotonic()
            self._ending = asyncio.create_task(self._end())
            self.tell("is being stopped")

    @property
    def is_ready(self) -> bool:
        """Whether all its containers are, and it is to stay."""
        return self.deleted_at is None and self.serves()

    @property
    def grace_seconds(self) -> float:
        """How long it may take to stop."""
        return float(self.spec.get("terminationGracePeriodSeconds", 30))

    @property
    def hostname(self) -> str:
        """What it calls itself."""
        return str(self.spec.get("hostname", self.name))[:63]

    def tell(self, event: str) -> None:
        """Note an event, with the time of day."""
        self.node.events.append(f"{datetime.now(UTC):%H:%M:%S.%f} {self.name} {self.ip} {event}")

    def serves(self) -> bool:
        """Whether all its containers are ready, even while it is being stopped."""
        return self.phase == "Running" and all(one.ready for one in self.containers)

    def restart_policy(self, *, initial: bool) -> str:
        """Whether a container that ended is started again."""
        policy = str(self.spec.get("restartPolicy", "Always"))
        return "OnFailure" if initial and policy == "Always" else policy

    def renew_volumes(self) -> None:
        """Let the volumes show what ConfigMaps and Secrets say now."""
        if self.phase == "Running":
            with suppress(ConfigError):
                self._volumes.prepare(self.spec, self._facts(), self.node.store)

    def container(self, spec: Object) -> Container:
        """What a kubelet would hand to the runtime; raises ConfigError."""
        image, facts = self.node.images[spec["image"]], self._facts()
        self._volumes.prepare(self.spec, facts, self.node.store)
        variables = environment(spec, facts, self.node.store)
        system = [Mount(path, path, read_only=True) for path in _SYSTEM if Path(path).exists()]
        own = [Mount(source, target, read_only=True) for source, target in image.mounts]
        programs = Mount(str(self.node.programs(image)), "/usr/bin", read_only=True)
        rights = {**(self.spec.get("securityContext") or {}), **(spec.get("securityContext") or {})}
        return Container(
            argv=command_line(spec, image.entrypoint, image.environment | variables),
            environment={"HOSTNAME": self.hostname, "HOME": "/", **image.environment, **variables},
            folder=spec.get("workingDir") or image.folder,
            root=str(self._folder / spec["name"] / "root"),
            network=self._network,
            hostname=self.hostname,
            mounts=[*system, programs, *own, *self._volumes.mounts(spec, self.spec, facts)],
            files={**self._files(), **image.files},
            read_only_root=bool(rights.get("readOnlyRootFilesystem")),
            drop_capabilities="ALL" in ((rights.get("capabilities") or {}).get("drop") or ()),
            privilege_escalation=rights.get("allowPrivilegeEscalation", True),
            **_identity(rights, image),
        )

    def told(self) -> dict[str, Any]:
        """What there is to say about it."""
        return {
            "name": self.name,
            "owner": f"{self.owner.kind}/{self.owner.name}",
            "namespace": self.namespace,
            "labels": self.labels,
            "ip": self.ip,
            "phase": self.phase,
            "revision": self.revision,
            "ready": self.is_ready,
            "terminating": self.deleted_at is not None,
            "trouble": self._trouble(),
            "containers": [one.told() for one in (*self.initial, *self.containers)],
        }

    async def _run(self) -> None:
        self._network, self.ip = await self.node.network.add_pod()
        for one in self.initial:
            if await one.run():
                self.phase = "Failed"
                return
        self.phase = "Running"
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run()) for one in self.containers]
        self.phase = "Failed" if any(task.result() for task in tasks) else "Succeeded"

    async def _end(self) -> None:
        async with asyncio.TaskGroup() as group:
            for one in (*self.initial, *self.containers):
                group.create_task(one.stop(self.grace_seconds))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._network:
            await self.node.network.remove_pod(self._network)
        self._volumes.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.phase = "Deleted"
        self.tell("is gone")

    def _trouble(self) -> str:
        """What broke the runner itself."""
        done = [task for task in (self._task, self._ending) if task is not None and task.done()]
        errors = [task.exception() for task in done if not task.cancelled()]
        return "\n".join("".join(traceback.format_exception(error)) for error in errors if error)

    def _facts(self) -> Facts:
        links = self.node.service_links(self.namespace) if self.spec.get("enableServiceLinks", True) else {}
        account = self.spec.get("serviceAccountName", "default")
        return Facts(
            *(self.name, self.namespace, self.uid, self.ip, NODE_IP, self.labels, self.annotations, account, links)
        )

    def _files(self) -> dict[str, str]:
        subdomain = self.spec.get("subdomain")
        names = [f"{self.hostname}.{subdomain}.{self.namespace}.svc.{DOMAIN}"] if subdomain else []
        aliases = [f"{one['ip']} {' '.join(one['hostnames'])}" for one in self.spec.get("hostAliases") or ()]
        hosts = ["127.0.0.1 localhost", " ".join([self.ip, *names, self.hostname]), *aliases]
        return {
            "/etc/hosts": "\n".join([*hosts, ""]),
            "/etc/hostname": f"{self.hostname}\n",
            "/etc/resolv.conf": resolv_conf(self.namespace, NODE_IP),
            "/etc/nsswitch.conf": _NAMESWITCH,
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
            "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
        }


def _identity(rights: Object, image: Image) -> dict[str, Any]:
    """Whose rights the container has; only root can give it those of another."""
    user = rights.get("runAsUser", image.user)
    if rights.get("runAsNonRoot") and not user:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    if user is None or not linux.may_change_user():
        return {}
    groups = [rights["fsGroup"]] if rights.get("fsGroup") is not None else []
    group = rights.get("runAsGroup", user if "runAsUser" not in rights else 0)
    return {"user": user, "group": group, "groups": [*groups, *(rights.get("supplementalGroups") or ())]}
