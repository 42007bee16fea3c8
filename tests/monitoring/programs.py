"""Prometheus and its promtool, which Debian's package `prometheus` brings; tests without them are skipped by name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support import parts

RUN_SECONDS = 60.0


def program(name: str) -> str:
    """Path of `prometheus` or `promtool`; a skip where it is not installed."""
    return shutil.which(name) or parts.missing(f"{name} is not on the path: install Debian's prometheus")


def promtool(*arguments: str | Path, given: bytes = b"") -> tuple[int, str]:
    """Run promtool with `given` as its input; its exit status and everything that it wrote."""
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=RUN_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode()
