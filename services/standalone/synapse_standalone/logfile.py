"""The log of one child process: written by the child itself, bounded by us."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 32 * 1024


class LogFile:
    """The file at `path` and one older part of it beside it; both stay below `max_bytes` and what one trim misses.

    The child appends to it directly, so that logging costs us nothing and never waits for us.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._begin = 0

    def open(self) -> int:
        """A file descriptor that appends; what is written from now on is the current run's."""
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._begin = os.fstat(handle).st_size
        return handle

    def trim(self) -> None:
        """Move what there is to the older part once it is too long; the child goes on writing to the same file."""
        if not self.path.exists() or self.path.stat().st_size <= self._max_bytes:
            return
        shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
        os.truncate(self.path, 0)
        self._begin = 0

    def tail(self, lines: int) -> list[str]:
        """The last lines of the current run."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(min(self._begin, size), size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
