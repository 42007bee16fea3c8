"""Starts a command that cannot outlive its parent: `python -I -S lifeline.py PARENT_PID COMMAND...`.

On Linux the kernel kills the command when the parent dies and this module is gone by then (it becomes the command);
elsewhere it stays, watches the parent and kills the command itself. It is run as a file, without the site packages,
because it stands before the start of every service and must cost next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess  # starting a command is its whole purpose
import sys

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5


def command(parent_pid: int, argv: tuple[str, ...]) -> list[str]:
    """What to start so that `argv` runs and ends with the process `parent_pid`."""
    return [sys.executable, "-I", "-S", __file__, str(parent_pid), *argv]


def _become(parent_pid: int, argv: list[str]) -> None:
    """Linux: ask the kernel for SIGKILL at the parent's death, then turn into the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() == parent_pid:  # otherwise it died before the kernel was asked
        os.execvp(argv[0], argv)  # noqa: S606  # no shell on purpose


def _watch(parent_pid: int, argv: list[str]) -> int:
    """Elsewhere: run the command beside, hand signals on, kill it when the parent is gone. Returns its status."""
    child = subprocess.Popen(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    while True:
        try:
            return child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent_pid:
                child.kill()


def main(argv: list[str], *, platform: str = sys.platform) -> int:
    """Run the command in `argv` after the parent's pid; returns its exit status where it does not replace us."""
    parent_pid, rest = int(argv[0]), argv[1:]
    if platform == "linux":
        _become(parent_pid, rest)
        return 1
    status = _watch(parent_pid, rest)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
