"""Containers without an engine: an image that buildah built, run as its first process with a root that it cannot write.

A container has its own processes and mounts, the user of its image, no capabilities, and this machine's network. It needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

BASE = os.environ.get("SYNAPSE_TEST_PYTHON_IMAGE", "docker.io/library/python:3.13-slim-bookworm")
"""The image that images under test stand on; it must lie in buildah's store."""
PROGRAMS = ("buildah", "unshare", "setpriv", "mount", "chroot")
BUILD_SECONDS = 600
STOP_SECONDS = 20
_ASK_SECONDS = 60
_ENTER = """set -e
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
for given in $MOUNTS; do mount --bind "${given%%=*}" "$ROOT${given#*=}"; done
mount -o remount,bind,ro "$ROOT"
exec setpriv --no-new-privs chroot --userspec="$IMAGE_USER" --groups= "$ROOT" env -i "$@"
"""


class Impossible(Exception):
    """Images cannot be built or run here; the message says why."""


def check() -> None:
    """Raise Impossible unless images can be built and run here."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        raise Impossible(f"images: this machine has no {', '.join(absent)}")
    if os.geteuid() != 0:
        raise Impossible("images: running one takes root")
    if subprocess.run(["buildah", "inspect", "--type", "image", BASE], capture_output=True, check=False).returncode:
        raise Impossible(f"images: buildah has no {BASE}; pull it, or name another in SYNAPSE_TEST_PYTHON_IMAGE")


@dataclass(frozen=True)
class Image:
    """An image in buildah's store."""

    name: str

    @property
    def config(self) -> dict[str, Any]:
        """What it says of the processes it runs: User, Env, Entrypoint, ExposedPorts, Labels."""
        told = _buildah("inspect", "--type", "image", self.name)
        found: dict[str, Any] = json.loads(told)["OCIv1"]["config"]
        return found

    @property
    def bytes(self) -> int:
        """What its files take, those of its base included."""
        with self.mounted() as root:
            return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Its files, in a copy that may be written, until the block ends."""
        container = _buildah("from", "--pull-never", self.name)
        try:
            yield Path(_buildah("mount", container))
        finally:
            _buildah("rm", container)


class Container:
    """The first process of an image, until the block ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def first(self) -> psutil.Process:
        """Process 1 of the container."""
        return psutil.Process(self._process.pid).children()[0]

    def terminate(self) -> int:
        """Send it SIGTERM and tell its exit status."""
        self.first.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def stop(self) -> str:
        """Kill it and tell what it wrote."""
        self._process.kill()
        return self._process.communicate(timeout=STOP_SECONDS)[0]

    def wait(self) -> tuple[int, str]:
        """Its exit status and what it wrote."""
        output, _ = self._process.communicate(timeout=_ASK_SECONDS)
        return self._process.returncode, output


@contextmanager
def run(
    image: Image,
    root: Path,
    command: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    mounts: Mapping[Path, str] | None = None,
) -> Iterator[Container]:
    """Run `command`, by default the image's entrypoint, on its mounted files; `mounts` tells what lies where in it."""
    config, mounts = image.config, mounts or {}
    for source, target in mounts.items():
        inside = root / target.lstrip("/")
        inside.mkdir(parents=True, exist_ok=True) if source.is_dir() else _touch(inside)
    variables = [*config["Env"], *(f"{name}={value}" for name, value in (environment or {}).items())]
    pairs = " ".join(f"{source}={target}" for source, target in mounts.items())
    outer = {"PATH": os.environ["PATH"], "ROOT": str(root), "MOUNTS": pairs, "IMAGE_USER": config["User"]}
    enter = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", _ENTER)
    process = subprocess.Popen(
        [*enter, "sh", *variables, *(command or config["Entrypoint"])],
        env=outer,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Container(process)
    finally:
        process.kill()
        process.communicate(timeout=STOP_SECONDS)


def _touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def _buildah(*arguments: str) -> str:
    done = subprocess.run(["buildah", *arguments], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
    return done.stdout.strip()
