"""Small real processes that stand in for the services, and children that run them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from synapse_standalone.child import Backoff, Child, Part
from synapse_standalone.logfile import LogFile

QUICK = Backoff(first_seconds=0.01, max_seconds=0.02)
SLEEPS = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
WAIT_SECONDS = 10


async def always() -> bool:
    return True


async def never() -> bool:
    return False


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", script)


def make_child(
    folder: Path, script: str, *, changed: Callable[[Child], None] = lambda _: None, name: str = "part", **part: object
) -> Child:
    settings = {"ready": always, "stop_seconds": 5.0, **part}
    made = Part(name, python(script), **settings)  # type: ignore[arg-type]
    return Child(made, dict(os.environ), LogFile(folder / f"{name}.log"), changed, backoff=QUICK, folder=folder)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
