"""Servers that tests fetch: each in a folder of its own under .venvs, made on demand, and made anew when its list changes.

A part that cannot be had is told by name: `missing` skips, and fails where SYNAPSE_TEST_STRICT=1.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venvs"
INSTALL_SECONDS = 1800.0
STOP_SECONDS = 20.0
_LOG_TAIL = 4000


class PartMissing(Exception):
    """A part cannot be had on this machine; the message says which and why."""


def fetched(name: str, steps: Sequence[Sequence[str]], *, like: str) -> Path:
    """The folder `name`, made by `steps` unless that is done; `like` is what it is made of, and other words make it anew.

    Raises PartMissing, with the end of what the failing step wrote.
    """
    home, mark = FOLDER / name, hashlib.sha256(like.encode()).hexdigest()
    done = home / "complete"
    if done.exists() and done.read_text() == mark:
        return home
    shutil.rmtree(home, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    for step in steps:
        _run(name, step)
    done.write_text(mark)
    return home


def uv() -> str:
    """The program uv; raises PartMissing."""
    found = shutil.which("uv") or shutil.which("uv", path=_homes_of_uv())
    if found is None:
        raise PartMissing("uv is not on the path: begin with `make`")
    return found


def missing(reason: str) -> NoReturn:
    """Skip for want of a part; a failure under SYNAPSE_TEST_STRICT=1."""
    (pytest.fail if os.environ.get("SYNAPSE_TEST_STRICT") == "1" else pytest.skip)(reason)


@contextmanager
def child(command: Sequence[str], log: Path, *, healthy: str, seconds: float, env: Mapping[str, str]) -> Iterator[None]:
    """Run `command` from when the URL `healthy` answers 200 until the block ends; RuntimeError with the end of `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), cwd=log.parent
        )
    try:
        _wait_until(healthy, process, log, seconds)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _wait_until(healthy: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(healthy, timeout=2) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{healthy} did not answer:\n{log.read_text(errors='replace')[-_LOG_TAIL:]}")


def _homes_of_uv() -> str:
    return os.pathsep.join(str(home / "bin") for home in sorted(FOLDER.glob("uv-*"), reverse=True))


def _run(name: str, step: Sequence[str]) -> None:
    try:
        done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartMissing(f"{name} cannot be installed here: {error}") from error
    if done.returncode:
        raise PartMissing(f"{name} cannot be installed here: {(done.stderr or done.stdout).strip()[-600:]}")
