"""What ends the command line: a message for people, what to do about it, and the exit status."""

from __future__ import annotations

from collections.abc import Callable

EXIT_FAILED = 1
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_CANNOT_CREATE = 73
EXIT_BUSY = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on: `message` says why, `remedy` what helps, `status` is the process's exit status."""

    def __init__(self, message: str, *, status: int, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.status = status

    def __reduce__(self) -> tuple[Callable[..., CommandError], tuple[str, int, str]]:
        return _remade, (self.message, self.status, self.remedy)

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


def _remade(message: str, status: int, remedy: str) -> CommandError:
    return CommandError(message, status=status, remedy=remedy)
