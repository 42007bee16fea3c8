"""Becomes the process of a container: enters or makes its namespaces, builds its root, drops what it may not do.

`python -m tests.support.cluster.launch run SPEC` starts a container: the caller is its parent, passes SIGTERM on, and
ends as it ends; the id of the container's first process goes to the file `pid` beside SPEC. `... exec SPEC PID` starts
a program in a running one. SPEC is a file with a `Container` as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tests.support.cluster import linux

CANNOT_START = 128
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "var/run": "/run",
}
_ENTERED = ("ipc", "uts", "net", "pid", "mnt")


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine at a place in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Container:
    """What to run, where and as whom."""

    argv: list[str]
    environment: dict[str, str]
    folder: str
    """The working folder inside."""
    root: str
    """An empty folder, on which the container's root is mounted for itself alone."""
    network: str
    hostname: str
    mounts: list[Mount]
    files: dict[str, str] = field(default_factory=dict)
    read_only_root: bool = False
    user: int | None = None
    group: int | None = None
    groups: list[int] = field(default_factory=list)
    drop_capabilities: bool = False
    privilege_escalation: bool = True

    @classmethod
    def read(cls, path: str | Path) -> Container:
        """The container that the file describes."""
        told: dict[str, Any] = json.loads(Path(path).read_text())
        return cls(**{**told, "mounts": [Mount(**mount) for mount in told["mounts"]]})


def run(spec: str) -> int:
    """Start the container of `spec`, and return how it ended."""
    container = Container.read(spec)
    linux.die_with_parent()
    linux.enter(container.network)
    linux.unshare(linux.NEW_PIDS)
    begun, replaced = os.pipe()  # both close when a program takes the place of the child, and when there is none
    child = os.fork()
    if child == 0:
        _guarded(_become, container)
    os.close(replaced)
    os.read(begun, 1)
    partial = Path(spec).with_name("pid.partial")
    partial.write_text(str(child))
    partial.rename(partial.with_suffix(""))
    return _stand_in_for(child)


def execute(spec: str, pid: str) -> int:
    """Start a program beside the first process `pid` of a running container, and return how it ended."""
    container = Container.read(spec)
    linux.die_with_parent()
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    for name in _ENTERED:
        linux.enter(f"/proc/{pid}/ns/{name}")
    child = os.fork()
    if child == 0:
        os.fchdir(root)
        os.chroot(".")
        _guarded(_replace, container)
    os.close(root)
    return _stand_in_for(child)


def _stand_in_for(child: int) -> int:
    def passed_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)

    signal.signal(signal.SIGTERM, passed_on)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else CANNOT_START - code


def _guarded(step: Any, container: Container) -> NoReturn:
    try:
        step(container)
    except OSError as error:
        sys.stderr.write(f"cannot start {container.argv}: {error}\n")
        sys.stderr.flush()
    os._exit(CANNOT_START)


def _become(container: Container) -> NoReturn:
    linux.die_with_parent()
    linux.unshare(linux.NEW_MOUNTS | linux.NEW_HOSTNAME | linux.NEW_IPC)
    linux.mount("none", "/", flags=linux.PRIVATE | linux.RECURSIVE)
    socket.sethostname(container.hostname)
    _build_root(container, Path(container.root))
    os.chdir(container.root)
    os.chroot(".")
    _replace(container)


def _build_root(container: Container, root: Path) -> None:
    linux.mount("tmpfs", root, kind="tmpfs", flags=linux.NO_SUID | linux.NO_DEVICES, data="mode=755")
    for name in ("proc", "dev", "run", "etc", "usr/bin", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    for link, goal in _LINKS.items():
        (root / link).symlink_to(goal)
    for device in _DEVICES:
        (root / "dev" / device).touch()
        linux.mount(f"/dev/{device}", root / "dev" / device, flags=linux.BIND)
    (root / "dev" / "shm").mkdir()
    linux.mount(
        "shm", root / "dev" / "shm", kind="tmpfs", flags=linux.NO_SUID | linux.NO_DEVICES, data="mode=1777,size=64m"
    )
    for name, text in container.files.items():
        (root / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / name.lstrip("/")).write_text(text)
        (root / name.lstrip("/")).chmod(0o755)
    for one in sorted(container.mounts, key=lambda mount: mount.target.count("/")):
        _bind(one, root / one.target.strip("/"))
    linux.mount("proc", root / "proc", kind="proc")
    if container.read_only_root:
        linux.make_read_only(root, recursive=False)


def _bind(one: Mount, target: Path) -> None:
    if Path(one.source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.mount(one.source, target, flags=linux.BIND | linux.RECURSIVE)
    if one.read_only:
        linux.make_read_only(target)


def _replace(container: Container) -> NoReturn:
    os.chdir(container.folder)
    if container.drop_capabilities:
        linux.drop_capabilities()
    if container.user is not None:
        group = container.user if container.group is None else container.group
        os.setgroups(container.groups)
        os.setgid(group)
        os.setuid(container.user)
    linux.die_with_parent()
    if not container.privilege_escalation:
        linux.refuse_new_privileges()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what is ignored stays so in the program
    os.execvpe(container.argv[0], container.argv, container.environment)  # a shell is none of its business


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    sys.exit(run(*arguments) if command == "run" else execute(*arguments))
