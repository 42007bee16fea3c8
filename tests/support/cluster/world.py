"""The control plane and the node in one: objects, controllers, Services and pods."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.cluster import relays, workloads
from tests.support.cluster.dns import Dns
from tests.support.cluster.images import SHELL, Image
from tests.support.cluster.manifests import Key, Object, Store, digest, selects
from tests.support.cluster.network import NODE_IP, Network
from tests.support.cluster.pods import Node, Pod
from tests.support.cluster.probes import port_number

TICK_SECONDS = 0.05
KINDS = ("Deployment", "StatefulSet", "Job", "Pod")
_KEPT = 100
"""Pods that are gone and of which the logs are still known."""


class World:
    """Everything that happens in the cluster; `news_seconds` is how late it is known that a pod is going."""

    def __init__(self, folder: Path, *, speed: float, news_seconds: float) -> None:
        self.store = Store()
        self.images: dict[str, Image] = {}
        self.pods: list[Pod] = []
        self.gone: list[Pod] = []
        self._folder = folder
        self._news_seconds = news_seconds
        self._network = Network()
        self._services: dict[Key, str] = {}
        self._relays: dict[tuple[Key, int], relays.Relay] = {}
        self._node = Node(*(self.store, self.images, self._network, folder, self._programs, self._service_links, speed))

    async def run(self) -> None:
        """Do what the objects want until cancelled."""
        await self._network.open()
        await Dns.open(NODE_IP, self._resolve)
        while True:
            await self._tick()
            await asyncio.sleep(TICK_SECONDS)

    def put(self, objects: Iterable[Object], images: dict[str, Image]) -> None:
        """Add or replace objects, and say what stands for the images that they name."""
        self.images |= images
        self.store.put(objects)
        for pod in self.pods:
            pod.renew_volumes()

    @property
    def events(self) -> list[str]:
        """What has lately happened to pods, in order."""
        return list(self._node.events)

    def remove(self, key: Key) -> None:
        """Take an object away; KeyError when there is none."""
        del self.store.objects[key]

    def pods_of(self, key: Key) -> list[Pod]:
        """The pods of a workload, of a Service's selector, or the pod itself; also those that are being stopped."""
        if key.kind == "Service":
            selector = self.store.objects[key]["spec"].get("selector")
            return [pod for pod in self.pods if pod.namespace == key.namespace and selects(selector, pod.labels)]
        if key.kind == "Pod":
            return [pod for pod in (*self.gone, *self.pods) if (pod.namespace, pod.name) == (key.namespace, key.name)]
        return [pod for pod in self.pods if pod.owner == key]

    def is_settled(self, key: Key) -> bool:
        """Whether a workload has what it wants; KeyError when there is none."""
        return workloads.is_settled(key, self.store.objects[key], self.pods_of(key))

    async def forward(self, listener: socket.socket, key: Key, port: int) -> None:
        """Pass connections to `listener` on to a Service's port, or to that of a workload's pods."""
        await relays.Relay(lambda: self._choice(key, port)).open(listener)

    async def _tick(self) -> None:
        for pod in self.pods:
            pod.ready_since = (pod.ready_since or time.monotonic()) if pod.is_ready else None
        for kind in KINDS:
            for key, wanted in list(self.store.of(kind)):
                workloads.step(key, wanted, self.pods_of(key), self._start)
        for pod in [pod for pod in self.pods if pod.owner not in self.store.objects]:
            pod.delete()
        self.gone = [*self.gone, *(pod for pod in self.pods if pod.phase == "Deleted")][-_KEPT:]
        self.pods = [pod for pod in self.pods if pod.phase != "Deleted"]
        await self._serve()

    def _start(self, owner: Key, name: str, template: Object, revision: str) -> None:
        tail = f"{revision}-{uuid.uuid4().hex[:5]}" if revision else uuid.uuid4().hex[:5]
        pod = Pod(self._node, owner, name or f"{owner.name}-{tail}", template, revision=revision)
        self.pods.append(pod)
        pod.start()

    async def _serve(self) -> None:
        """Give Services that have an address of their own that address, and take it from those that are no more."""
        wanted = {key: one for key, one in self.store.of("Service") if _has_address(one)}
        for key in set(self._services) - set(wanted):
            for known in [known for known in self._relays if known[0] == key]:
                self._relays.pop(known).close()
            await self._network.remove_service(self._services.pop(key))
        for key, one in wanted.items():
            if key not in self._services:
                self._services[key] = await self._network.add_service()
            for told in one["spec"]["ports"]:
                if (key, told["port"]) not in self._relays:
                    self._relays[key, told["port"]] = await self._relay(key, told["port"])

    async def _relay(self, key: Key, port: int) -> relays.Relay:
        relay = relays.Relay(lambda: self._choice(key, port))
        await relay.open(relays.listen(self._services[key], port))
        return relay

    def _choice(self, key: Key, port: int) -> tuple[str, int] | None:
        if key.kind == "Service" and key not in self.store.objects:
            return None
        pods = [pod for pod in self.pods_of(key) if self._is_served(pod)]
        if not pods:
            return None
        pod = random.choice(pods)  # as kube-proxy chooses
        return pod.ip, self._target_port(key, port, pod)

    def _target_port(self, key: Key, port: int, pod: Pod) -> int:
        if key.kind != "Service":
            return port
        ports = self.store.objects[key]["spec"]["ports"]
        target = next((told.get("targetPort", port) for told in ports if told["port"] == port), port)
        return port_number(target, pod.spec["containers"])

    def _is_served(self, pod: Pod) -> bool:
        """Whether others still send to the pod: those that are going are known a moment late."""
        if pod.deleted_at is None:
            return pod.is_ready
        return pod.serves() and time.monotonic() - pod.deleted_at < self._news_seconds

    def _resolve(self, host: str, service: str, namespace: str) -> list[str] | None:
        key = Key("Service", namespace, service)
        one = self.store.objects.get(key)
        if one is None:
            return None
        if _has_address(one) and not host:
            return [self._services[key]] if key in self._services else None
        unready = one["spec"].get("publishNotReadyAddresses")
        pods = [pod for pod in self.pods_of(key) if pod.ip and (unready or self._is_served(pod))]
        found = [pod.ip for pod in pods if not host or (pod.hostname, pod.spec.get("subdomain")) == (host, service)]
        random.shuffle(found)
        return found or None

    def _service_links(self, namespace: str) -> dict[str, str]:
        """The variables by which a pod hears of the Services of its namespace, unless it asks for none."""
        links = {}
        for key, address in self._services.items():
            if key.namespace == namespace:
                name = key.name.upper().replace("-", "_")
                port = self.store.objects[key]["spec"]["ports"][0]["port"]
                links[f"{name}_SERVICE_HOST"], links[f"{name}_SERVICE_PORT"] = address, str(port)
                links[f"{name}_PORT"] = f"tcp://{address}:{port}"
        return links

    def _programs(self, image: Image) -> Path:
        """A folder with the programs of an image and no others."""
        folder = self._folder / "programs" / digest(image.programs)
        if not folder.exists():
            folder.mkdir(parents=True)
            for program in (*SHELL, *image.programs):
                found = shutil.which(program)
                if found:
                    shutil.copy(found, folder / Path(program).name)
        return folder


def _has_address(service: Object) -> bool:
    spec: dict[str, Any] = service["spec"]
    return spec.get("clusterIP") != "None" and spec.get("type", "ClusterIP") != "ExternalName"
