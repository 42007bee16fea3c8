"""Processes of containers: started, asked to stop, killed, and what they wrote."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from tests.support.cluster.launch import Container

LOG_BYTES = 8 * 1024 * 1024
_LAUNCH = (sys.executable, "-S", "-E", "-m", "tests.support.cluster.launch")
_CHUNK = 64 * 1024
_KILLED_SECONDS = 10.0
_LOOK_SECONDS = 0.01
_LOOKS = 3000
_names = itertools.count()


class Process:
    """One run of a container."""

    def __init__(self, container: Container, folder: Path, log: bytearray) -> None:
        self.container = container
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self.exit_code: int | None = None

    async def start(self) -> None:
        """Start it, and return when its program runs, or could not be started."""
        spec = self._laid()
        self._process, output = await _spawn("run", str(spec), user=self.container.user)
        self._reading = asyncio.create_task(self._follow(self._process, output))
        for _ in range(_LOOKS):
            if self._has_begun() or not self.is_running():
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise TimeoutError(f"{self.container.argv} has not begun within {_LOOKS * _LOOK_SECONDS} s")

    async def wait(self) -> int:
        """How it ended: its exit status, or 128 and a signal."""
        await self._ended.wait()
        assert self.exit_code is not None
        return self.exit_code

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._ended.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            async with asyncio.timeout(_KILLED_SECONDS):
                await self._ended.wait()

    async def execute(self, argv: list[str], seconds: float) -> tuple[int, str]:
        """Run a program inside: its exit status and what it wrote. TimeoutError after `seconds`."""
        spec = _write(replace(self.container, argv=argv), self._folder / f"exec-{next(_names)}.json")
        if not self._has_begun() or not self.is_running():
            return 1, "the container is not running"
        pid = (self._folder / "pid").read_text()
        child, reader = await _spawn("exec", str(spec), pid, user=self.container.user)
        try:
            async with asyncio.timeout(seconds):
                output = await reader.read()
                status = await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
            spec.unlink(missing_ok=True)
        return status, output.decode(errors="replace")

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    def memory(self) -> int:
        """Bytes that its processes hold and share with nobody's files: what a limit of memory counts at least."""
        if not self._has_begun() or not self.is_running():
            return 0
        namespace = _pids_of((self._folder / "pid").read_text())
        found = [_status(path) for path in Path("/proc").glob("[0-9]*") if _pids_of(path.name) == namespace]
        return sum(one.get("RssAnon", 0) + one.get("RssShmem", 0) for one in found)

    def _has_begun(self) -> bool:
        return (self._folder / "pid").exists()

    def _laid(self) -> Path:
        self._folder.mkdir(parents=True)
        Path(self.container.root).mkdir(parents=True, exist_ok=True)
        return _write(self.container, self._folder / "spec.json")

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._process is not None and self.is_running():
                self._process.send_signal(number)

    async def _follow(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> None:
        while data := await output.read(_CHUNK):
            self._log += data
            del self._log[:-LOG_BYTES]
        self.exit_code = await process.wait()
        self._ended.set()


async def _spawn(*arguments: str, user: int | None) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
    reading, writing = os.pipe()
    if user is not None:
        os.fchown(writing, user, -1)  # so that it may open /dev/stdout itself
    loop = asyncio.get_running_loop()
    try:
        process = await asyncio.create_subprocess_exec(
            *_LAUNCH, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=writing, stderr=writing
        )
    finally:
        os.close(writing)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0))
    return process, reader


def _write(container: Container, path: Path) -> Path:
    path.write_text(json.dumps(asdict(container)))
    return path


def _pids_of(pid: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _status(path: Path) -> dict[str, int]:
    """Memory in bytes by its name in /proc."""
    try:
        lines = (path / "status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}
