"""A running cluster, as tests see it: apply manifests, wait, ask, forward ports, scale, restart."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from tests.support import parts
from tests.support.cluster import images as image_map
from tests.support.cluster.manifests import Object, is_hook, key_of, parse

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
ANSWER_SECONDS = 60.0
STOP_SECONDS = 10.0
_ROOT = parts.ROOT
_PROGRAMS = ("unshare", "ip", "mount")
_TEMPLATED = ("Deployment", "StatefulSet", "Job")
_LOG_TAIL = 3000


class ClusterError(Exception):
    """The cluster refuses, or does not get where it should in time; the message says why."""


@dataclass(frozen=True)
class Executed:
    """How a program inside a container ended, and what it wrote."""

    status: int
    output: str


class Cluster:
    """A cluster of one machine; `speed` divides the periods of probes and back-offs.

    `news_seconds` is how long others go on sending to a pod that is being stopped. `images` adds to what stands for
    images, or takes the place of it.
    """

    def __init__(
        self,
        namespace: str = "default",
        *,
        speed: float = 10.0,
        news_seconds: float = 0.5,
        images: image_map.Images | None = None,
    ) -> None:
        self.namespace = namespace
        self._speed, self._news_seconds = speed, news_seconds
        self._images: image_map.Images = {**image_map.DEFAULT, **(images or {})}
        self._known: dict[str, Object] = {}
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin; skips the test where namespaces are not to be had."""
        reason = why_not()
        if reason:
            parts.missing(reason)
        self._questions, theirs = socket.socketpair()
        self._ports, their_ports = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._questions.settimeout(ANSWER_SECONDS)
        inherited = (theirs.fileno(), their_ports.fileno())
        command = (*_unshare(), sys.executable, "-m", "tests.support.cluster.node", *map(str, inherited))
        self._process = subprocess.Popen(
            (*command, str(self._speed), str(self._news_seconds)),
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=inherited,
            env={"PATH": os.environ["PATH"]},
        )
        theirs.close()
        their_ports.close()
        self._lines = self._questions.makefile("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and everything in it with it."""
        for one in (self._questions, self._ports, *self._listeners):
            one.close()
        self._lines.close()
        if self._process is not None:
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_SECONDS)

    def apply(self, manifests: str | list[Object], *, hooks: bool = False) -> None:
        """Add or replace objects; Helm's hooks among them only if asked for. ImageMissing for an unknown image."""
        objects = parse(manifests, self.namespace) if isinstance(manifests, str) else manifests
        wanted = [one for one in objects if hooks or not is_hook(one)]
        wanted = [one for one in wanted if not self._is_left_out(one)]
        for one in wanted:
            for reference in _references(one):
                if reference not in self._known:
                    self._known[reference] = asdict(image_map.find(reference, self._images))
        self.call("apply", objects=wanted, images=self._known)

    def run_tests(self, manifests: str, seconds: float = READY_SECONDS) -> None:
        """Run the hooks that `helm test` would run; ClusterError with their logs when one fails."""
        hooks = [one for one in parse(manifests, self.namespace) if is_hook(one)]
        tests = [one for one in hooks if "test" in one["metadata"]["annotations"]["helm.sh/hook"].split(",")]
        self.apply(tests, hooks=True)
        for key in [key_of(one) for one in tests if one["kind"] in {"Pod", "Job"}]:
            target = f"{key.kind.lower()}/{key.name}"
            for pod in self._looks(target, seconds):
                if pod and all(one["phase"] == "Succeeded" for one in pod):
                    break
                if any(one["phase"] == "Failed" for one in pod):
                    raise ClusterError(f"{target} failed:\n{self.logs(target)}")

    def delete(self, target: str) -> None:
        """Delete an object and its pods; a pod's controller makes another."""
        kind, _, name = target.partition("/")
        if kind == "pod":
            self.call("delete_pod", name=name, namespace=self.namespace)
        else:
            self.call("delete", target=target, namespace=self.namespace)

    def scale(self, target: str, replicas: int) -> None:
        """Change how many pods a workload has."""
        self.call("scale", target=target, namespace=self.namespace, replicas=replicas)

    def restart(self, target: str) -> None:
        """Replace every pod of a workload, as its strategy allows."""
        self.call("restart", target=target, namespace=self.namespace)

    def wait_ready(self, *targets: str, seconds: float = READY_SECONDS) -> None:
        """Wait until workloads, all when none is named, have the pods that they want, ready and up to date."""
        for target in targets or self.call("workloads"):
            for _ in self._looks(target, seconds):
                if self.call("is_settled", target=target, namespace=self.namespace):
                    break

    def wait_reason(self, target: str, reason: str, seconds: float = READY_SECONDS) -> str:
        """Wait until a container of the target is in the state `reason`, and return what is said of it."""
        for pods in self._looks(target, seconds):
            found = [one for pod in pods for one in pod["containers"] if one["reason"] == reason]
            if found:
                return str(found[0]["message"])
        raise AssertionError("the wait ends with an error or a result")

    def pods(self, target: str = "") -> list[dict[str, Any]]:
        """What there is to say about the pods of a workload or Service, of labels (name=value), or about all."""
        return list(self.call("pods", target=target, namespace=self.namespace))

    def events(self) -> list[str]:
        """What has lately happened to pods, each with its time."""
        return list(self.call("events"))

    def memory(self, target: str = "") -> dict[str, int]:
        """Bytes that each running container holds for itself, by pod/container; targets as for `pods`."""
        return dict(self.call("memory", target=target, namespace=self.namespace))

    def logs(self, target: str = "") -> str:
        """What the containers wrote, those of pods that are gone among them; targets as for `pods`."""
        logs: Mapping[str, str] = self.call("logs", target=target, namespace=self.namespace)
        return "\n".join(f"--- {name}\n{text}" for name, text in logs.items())

    def wait_log(self, target: str, words: str, seconds: float = READY_SECONDS) -> None:
        """Wait until a container of the target has written these words."""
        for _ in self._looks(target, seconds):
            if words in self.logs(target):
                break

    def exec(self, target: str, argv: list[str], *, container: str = "", seconds: float = 30.0) -> Executed:
        """Run a program in a container of the target's first running pod."""
        arguments = {"argv": argv, "container": container, "seconds": seconds}
        return Executed(*self.call("exec", target=target, namespace=self.namespace, **arguments))

    def forward(self, target: str, port: int) -> str:
        """host:port on this machine's loopback that reaches a Service's port, or that of a workload's or a single pod.

        Each connection goes to one of the ready pods, whichever they are then.
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        told = {"target": target, "namespace": self.namespace, "port": port}
        socket.send_fds(self._ports, [json.dumps(told).encode()], [listener.fileno()])
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        return address

    def call(self, method: str, **arguments: Any) -> Any:
        """Ask the node; ClusterError when it refuses or is gone."""
        with self._lock:
            try:
                self._questions.sendall(json.dumps({"method": method, "arguments": arguments}).encode() + b"\n")
                line = self._lines.readline()
            except OSError as error:
                raise ClusterError(f"the cluster is gone: {error}") from error
        if not line:
            raise ClusterError("the cluster is gone")
        reply = json.loads(line)
        if "error" in reply:
            raise ClusterError(reply["error"])
        return reply["result"]

    def _looks(self, target: str, seconds: float) -> Iterator[list[dict[str, Any]]]:
        """The pods of a target, again and again; ClusterError after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pods = self.pods(target)
            trouble = [pod["trouble"] for pod in pods if pod["trouble"]]
            if trouble:
                raise ClusterError(f"the runner broke at {target}: {trouble}")
            yield pods
            time.sleep(POLL_SECONDS)
        raise ClusterError(f"{target} did not get there within {seconds} s:\n{self._story(target)}")

    def _story(self, target: str) -> str:
        pods = json.dumps(self.pods(target), indent=1)
        return f"{pods}\n{self.logs(target)[-_LOG_TAIL:]}"

    def _is_left_out(self, one: Object) -> bool:
        return any(image_map.is_left_out(reference) for reference in _references(one))


def why_not() -> str:
    """Why no cluster can run on this machine; empty when it can."""
    absent = [program for program in _PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"no cluster here: {', '.join(absent)} not found"
    trial = (
        "ip link add cluster0 type bridge && ip link add veth0 type veth peer name veth1 && mount -t tmpfs tmpfs /run"
    )
    done = subprocess.run((*_unshare(), "sh", "-c", trial), capture_output=True, text=True, check=False, timeout=20)
    return f"no cluster here: {done.stderr.strip()[-300:]}" if done.returncode else ""


def _unshare() -> tuple[str, ...]:
    root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", *root, "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


def _references(one: Object) -> list[str]:
    """The images that an object would run."""
    if one["kind"] not in {*_TEMPLATED, "Pod"}:
        return []
    spec = one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
    return [str(run["image"]) for run in (*(spec.get("initContainers") or ()), *spec["containers"])]
