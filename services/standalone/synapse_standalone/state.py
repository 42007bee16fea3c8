"""The folder that keeps what `synapse up` must find again: keys, data, logs, and the endpoint while it runs."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synapse_standalone.errors import EXIT_BUSY, EXIT_CANNOT_CREATE, EXIT_FAILED, CommandError

KEY_PREFIX = "sk-synapse-"
MIN_FREE_BYTES = 256 * 1024 * 1024
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


class StateFolder:
    """The folder at `path`; nothing is touched before `open`. Every file of it is for its owner only."""

    def __init__(self, path: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self._min_free_bytes = min_free_bytes
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self.valkey = self.path / "valkey"
        self.cache = self.path / "cache"
        self.models = self.path / "models"
        self.config_file = self.path / "config.json"
        self.below_file = self.path / "below.json"
        self.above_file = self.path / "above.json"
        self.endpoint_file = self.path / "endpoint.json"
        self.valkey_config = self.path / "valkey.conf"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Make the folder and hold it until the block ends; raises CommandError when it cannot be used."""
        try:
            for folder in (self.path, self.logs, self.valkey, self.cache, self.models):
                folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._take(lock)
            self._require_space()
            self.remove_endpoint()  # of one that was killed
            yield
        finally:
            os.close(lock)

    def free_bytes(self) -> int:
        """Free space of the disk below the folder, or below its nearest parent that exists."""
        place = next(path for path in (self.path, *self.path.parents) if path.exists())
        return shutil.disk_usage(place).free

    def secret(self, name: str, *, prefix: str = "") -> str:
        """The secret kept as the file `name`, made at the first call."""
        path = self.path / name
        with suppress(FileNotFoundError):
            if kept := path.read_text().strip():
                return kept
        made = prefix + secrets.token_urlsafe(24)
        self.write(path, made + "\n")
        return made

    def write(self, path: Path, text: str) -> None:
        """Write a file of the folder in one step, readable for its owner only; raises CommandError when it cannot."""
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(name, path)  # noqa: PTH105  # pairs with mkstemp's name
            except OSError:
                os.unlink(name)  # noqa: PTH108
                raise
        except OSError as error:
            raise self._unusable(error) from error

    def write_endpoint(self, endpoint: Mapping[str, Any]) -> None:
        """Publish how to reach the running mesh."""
        self.write(self.endpoint_file, json.dumps(endpoint, indent=2) + "\n")

    def remove_endpoint(self) -> None:
        """Take the publication back."""
        self.endpoint_file.unlink(missing_ok=True)

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 32).decode("ascii", "replace").strip()
            raise CommandError(
                f"another `synapse up` (process {holder or 'unknown'}) is running on {self.path}",
                status=EXIT_BUSY,
                remedy="Use that one, stop it first, or give this one a folder of its own with --state.",
            ) from error
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _require_space(self) -> None:
        free, needed = self.free_bytes(), self._min_free_bytes
        if free < needed:
            raise CommandError(
                f"the disk of {self.path} is full: {free >> 20} MiB are free, {needed >> 20} MiB are needed",
                status=EXIT_CANNOT_CREATE,
                remedy="Free some space, or put the state elsewhere with --state.",
            )

    def _unusable(self, error: OSError) -> CommandError:
        return CommandError(
            f"cannot write to {self.path}: {error.strerror}",
            status=EXIT_CANNOT_CREATE,
            remedy="Make it writable, free some space, or put the state elsewhere with --state.",
        )


def read_endpoint(path: Path) -> dict[str, Any]:
    """The endpoint of the mesh that runs on the state folder `path`; raises CommandError when none does."""
    folder = StateFolder(path)
    try:
        endpoint: dict[str, Any] = json.loads(folder.endpoint_file.read_bytes())
        os.kill(int(endpoint["pid"]), 0)  # a killed supervisor leaves its endpoint behind
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(
            f"no mesh is running on {folder.path}",
            status=EXIT_FAILED,
            remedy="Start one with `synapse up`, or name its folder with --state.",
        ) from error
    return endpoint


def kept_mesh_secret(path: Path) -> str:
    """The mesh secret that the services of the state folder `path` use; raises CommandError when there is none."""
    folder = StateFolder(path)
    try:
        secret = str(json.loads(folder.config_file.read_bytes())["mesh"]["secret"])
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(
            f"{folder.path} holds no mesh secret yet",
            status=EXIT_FAILED,
            remedy="Start the mesh once with `synapse up`, or name its folder with --state.",
        ) from error
    return secret
