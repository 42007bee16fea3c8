"""The process that the cluster lives in: the first one of its namespaces, with which everything in them ends.

It is told what to do over two sockets that it inherits: questions as lines of JSON, and listening sockets of the caller's
own network, whose connections it passes on to pods. It ends when the caller does.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.cluster import linux
from tests.support.cluster.images import Image
from tests.support.cluster.manifests import SHORT_NAMES, key_from, selects
from tests.support.cluster.pods import Pod
from tests.support.cluster.world import World

FOLDER = Path("/run/cluster")
LINE_BYTES = 64 * 1024 * 1024
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_PACKET_BYTES = 64 * 1024


class Node:
    """Answers the questions of the caller."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._restarts = 0

    async def answer(self, method: str, arguments: dict[str, Any]) -> Any:
        """What the method of this name returns."""
        return await getattr(self, f"do_{method}")(**arguments)

    async def do_apply(self, objects: list[Any], images: dict[str, Any]) -> None:
        self._world.put(objects, {name: Image(**image) for name, image in images.items()})

    async def do_delete(self, target: str, namespace: str) -> None:
        self._world.remove(key_from(target, namespace))

    async def do_scale(self, target: str, namespace: str, replicas: int) -> None:
        self._world.store.objects[key_from(target, namespace)]["spec"]["replicas"] = replicas

    async def do_restart(self, target: str, namespace: str) -> None:
        self._restarts += 1
        metadata = self._world.store.objects[key_from(target, namespace)]["spec"]["template"]["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), _RESTARTED: str(self._restarts)}

    async def do_delete_pod(self, name: str, namespace: str) -> None:
        for pod in self._pods(f"pod/{name}", namespace):
            pod.delete()

    async def do_workloads(self) -> list[str]:
        short = {kind: name for name, kind in SHORT_NAMES.items()}
        kinds = ("Deployment", "StatefulSet")
        return [f"{short[key.kind]}/{key.name}" for kind in kinds for key, _ in self._world.store.of(kind)]

    async def do_is_settled(self, target: str, namespace: str) -> bool:
        return self._world.is_settled(key_from(target, namespace))

    async def do_pods(self, target: str, namespace: str) -> list[dict[str, Any]]:
        return [pod.told() for pod in self._pods(target, namespace)]

    async def do_events(self) -> list[str]:
        return self._world.events

    async def do_memory(self, target: str, namespace: str) -> dict[str, int]:
        runs = [(pod, run) for pod in self._pods(target, namespace) for run in pod.containers if run.process]
        return {f"{pod.name}/{run.name}": run.process.memory() for pod, run in runs if run.process}

    async def do_logs(self, target: str, namespace: str) -> dict[str, str]:
        runs = [(pod, one) for pod in self._with_gone(target, namespace) for one in (*pod.initial, *pod.containers)]
        return {f"{pod.name}/{one.name}": one.log.decode(errors="replace") for pod, one in runs}

    async def do_exec(self, target: str, namespace: str, argv: list[str], container: str, seconds: float) -> Any:
        pod = next((pod for pod in self._pods(target, namespace) if pod.phase == "Running"), None)
        if pod is None:
            raise LookupError(f"{target} has no running pod")
        run = next(one for one in pod.containers if container in {"", one.name})
        if run.process is None:
            raise LookupError(f"{pod.name} has not started")
        return await run.process.execute(argv, seconds)

    def _pods(self, target: str, namespace: str) -> list[Pod]:
        """The pods of a target, of labels as name=value,name=value, or all where it is empty."""
        if target and "=" not in target:
            return self._world.pods_of(key_from(target, namespace))
        return [pod for pod in self._world.pods if _has_labels(pod, target)]

    def _with_gone(self, target: str, namespace: str) -> list[Pod]:
        """The same, and before them those that are gone."""
        if target and "=" not in target:
            key = key_from(target, namespace)
            return [*(pod for pod in self._world.gone if pod.owner == key), *self._world.pods_of(key)]
        return [pod for pod in (*self._world.gone, *self._world.pods) if _has_labels(pod, target)]


def _has_labels(pod: Pod, wanted: str) -> bool:
    return not wanted or selects(dict(pair.split("=", 1) for pair in wanted.split(",")), pod.labels)


async def serve(questions: socket.socket, ports: socket.socket, world: World) -> None:
    """Run the cluster until the caller is gone."""
    ports.setblocking(False)
    forwards: set[asyncio.Task[None]] = set()

    def forward() -> None:
        line, descriptors, _, _ = socket.recv_fds(ports, _PACKET_BYTES, 1)
        if descriptors:
            told = json.loads(line)
            listener = socket.socket(fileno=descriptors[0])
            listener.setblocking(False)
            key = key_from(told["target"], told["namespace"])
            forwards.add(asyncio.create_task(world.forward(listener, key, told["port"])))

    asyncio.get_running_loop().add_reader(ports, forward)
    running = asyncio.create_task(world.run())
    reader, writer = await asyncio.open_connection(sock=questions, limit=LINE_BYTES)
    asking = asyncio.create_task(_answer_all(Node(world), reader, writer))
    await asyncio.wait([running, asking], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    os._exit(0)  # the kernel ends what runs in the namespaces; nothing is to be unwound first


async def _answer_all(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        asked = json.loads(line)
        try:
            reply = {"result": await node.answer(asked["method"], asked["arguments"])}
        except (LookupError, ValueError, OSError, TimeoutError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(reply).encode() + b"\n")
        await writer.drain()


def main(arguments: Sequence[str]) -> None:
    """Serve on the sockets with these descriptors."""
    questions, ports, speed, news_seconds = arguments
    linux.mount("none", "/", flags=linux.PRIVATE | linux.RECURSIVE)
    linux.mount("tmpfs", "/run", kind="tmpfs", data="mode=755")
    FOLDER.mkdir()
    os.umask(0o022)
    world = World(FOLDER, speed=float(speed), news_seconds=float(news_seconds))
    asyncio.run(serve(socket.socket(fileno=int(questions)), socket.socket(fileno=int(ports)), world))


if __name__ == "__main__":
    main(sys.argv[1:])
