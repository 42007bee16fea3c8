"""A line on the terminal that tells how far a command is; nothing where nobody watches."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_EVERY_SECONDS = 0.1
_BAR = 24


class Progress:
    """Writes over its own line, ten times a second at most."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown_at = 0.0
        self._watched = out.isatty()

    def tell(self, text: str, *, share: float | None = None) -> None:
        """Show `text`, behind a bar where `share`, 0 to 1, of the work is known to be done."""
        now = time.monotonic()
        if not self._watched or now - self._shown_at < _EVERY_SECONDS:
            return
        self._shown_at = now
        line = text if share is None else f"{bar(share)} {share:4.0%}  {text}"
        self._out.write(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}")
        self._out.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._watched and self._shown_at:
            self._out.write("\r\x1b[2K")
            self._out.flush()


def bar(share: float) -> str:
    """A bar of which `share`, 0 to 1, is filled."""
    filled = round(max(0.0, min(1.0, share)) * _BAR)
    return "█" * filled + "░" * (_BAR - filled)


@contextmanager
def progress(out: TextIO | None = None) -> Iterator[Progress]:
    """Progress on stderr, taken away at the end."""
    made = Progress(out or sys.stderr)
    try:
        yield made
    finally:
        made.clear()
