"""One part of the mesh as a child process: started, watched until it is ready, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from synapse_standalone import lifeline
from synapse_standalone.errors import EXIT_CONFIG
from synapse_standalone.logfile import LogFile

_READY_POLL_SECONDS = 0.05
_KILL_SECONDS = 5.0
_QUICK_SECONDS = 30.0


class Status(StrEnum):
    """What a child is doing."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Part:
    """What to run: `ready` says whether it serves; parts of a lower `stage` are stopped first."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]]
    stage: int = 0
    detail: str = ""
    start_seconds: float = 60.0
    stop_seconds: float = 15.0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it sees besides the environment of all parts."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before start number `crashes` + 1."""

    first_seconds: float = 0.5
    max_seconds: float = 30.0

    def seconds(self, crashes: int) -> float:
        """The wait after so many quick crashes in a row; doubles, bounded."""
        return float(min(self.first_seconds * 2 ** min(crashes - 1, 16), self.max_seconds))


@dataclass
class Child:
    """Runs `part` with `environment`, its output in `log`; calls `changed` whenever its status does."""

    part: Part
    environment: dict[str, str]
    log: LogFile
    changed: Callable[[Child], None]
    backoff: Backoff = Backoff()
    folder: Path = field(default_factory=Path.cwd)
    clock: Callable[[], float] = time.monotonic
    status: Status = Status.WAITING
    detail: str = ""
    crashes: int = 0
    """Ends in a row that came soon after a start."""
    misconfigured: bool = False
    """Whether the last end was a complaint about the settings: no use in another start."""
    was_ready: bool = False
    ready_after_seconds: float = 0.0
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        """The running process."""
        return self._process.pid if self._process is not None else None

    async def keep(self) -> None:
        """Run the part until `stop` is called, starting it again with back-off whenever it ends by itself."""
        while not self._stopping.is_set():
            started = self.clock()
            end = await self._run_once(started)
            if self._stopping.is_set():
                break
            self.crashes = 1 if self.clock() - started > _QUICK_SECONDS else self.crashes + 1
            wait = self.backoff.seconds(self.crashes)
            self._set(Status.RESTARTING, f"{end}; starts again in {wait:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
        self._set(Status.STOPPED)

    async def stop(self) -> None:
        """Ask the process to end, kill it when it takes longer than the part allows; returns when it is gone."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._set(Status.STOPPING)
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.part.stop_seconds)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            self._signal(signal.SIGKILL)
            with suppress(TimeoutError):  # stuck in the kernel: it is not ours to wait for
                await asyncio.wait_for(process.wait(), _KILL_SECONDS)

    async def _run_once(self, started: float) -> str:
        """One life of the process; returns how it ended."""
        self._set(Status.STARTING, self.part.detail)
        try:
            self._process = process = await self._start()
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        if self._stopping.is_set():  # `stop` came in between and saw no process
            self._signal(signal.SIGKILL)
        readiness = asyncio.create_task(self._until_ready(started))
        try:
            status = await process.wait()
        finally:
            readiness.cancel()
            with suppress(asyncio.CancelledError):
                await readiness
        self.misconfigured = status == EXIT_CONFIG
        return describe_end(status)

    async def _start(self) -> asyncio.subprocess.Process:
        output = self.log.open()
        try:
            return await asyncio.create_subprocess_exec(
                *lifeline.command(os.getpid(), self.part.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self.environment, **self.part.environment},
                cwd=self.folder,
                process_group=0,  # Ctrl-C is for us alone: we stop the parts in order
            )
        finally:
            os.close(output)

    async def _until_ready(self, started: float) -> None:
        """Watch for readiness; a process that is not ready in time is killed and counts as crashed."""
        try:
            async with asyncio.timeout(self.part.start_seconds):
                while not await self.part.ready():  # noqa: ASYNC110  # another process cannot set an Event
                    await asyncio.sleep(_READY_POLL_SECONDS)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return
        self.was_ready = True
        self.ready_after_seconds = self.clock() - started
        self._set(Status.READY, self.part.detail)

    def _signal(self, number: signal.Signals) -> None:
        """Signal the process and what it started itself."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _set(self, status: Status, detail: str = "") -> None:
        self.status, self.detail = status, detail
        self.changed(self)


def describe_end(status: int) -> str:
    """An exit status in words; negative ones are signals."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"was ended by signal {name}"
