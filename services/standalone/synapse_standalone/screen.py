"""What `synapse up` shows: lines as they happen, or on a terminal a table that moves until everything is ready."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from synapse_standalone.child import Child, Status
from synapse_standalone.supervisor import CRASHES_TO_GIVE_UP, last_words

if TYPE_CHECKING:
    from rich.table import Table

FRAME_SECONDS = 0.1
_STYLES = {Status.READY: "green", Status.RESTARTING: "bold red", Status.STOPPED: "dim"}


class Screen(Protocol):
    """Shows what happens to the children."""

    def begin(self, children: Sequence[Child]) -> None:
        """The children are about to start."""

    def child(self, child: Child) -> None:
        """A child's status changed."""

    def frame(self) -> None:
        """Time has passed."""

    def ready(self, text: str) -> None:
        """Everything serves; `text` says how to use it."""

    def say(self, text: str) -> None:
        """Something happened that is worth a line."""

    def end(self) -> None:
        """Nothing more will come."""


class Lines:
    """A line for each event on `out`; `quiet` leaves only trouble."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stdout
        self._quiet = quiet

    def begin(self, children: Sequence[Child]) -> None:
        """Say what starts."""
        if not self._quiet:
            self.say("starting " + ", ".join(child.part.name for child in children))

    def child(self, child: Child) -> None:
        """Say it when a child got ready, crashed or ended."""
        if child.status is Status.RESTARTING:
            self.say(f"{child.part.name} {child.detail}")
            if child.crashes == CRASHES_TO_GIVE_UP and child.was_ready:
                self.say(last_words(child))
        elif child.status in {Status.READY, Status.STOPPED} and not self._quiet:
            self.say(f"{child.part.name}: {_status_text(child)}")

    def frame(self) -> None:
        """Lines do not move."""

    def ready(self, text: str) -> None:
        """Show how to use it."""
        if not self._quiet:
            self.say(text)

    def say(self, text: str) -> None:
        """Write `text` and a line's end, at once; nobody reading is no reason to stop serving."""
        with suppress(OSError):
            self._out.write(text + "\n")
            self._out.flush()

    def end(self) -> None:
        """Nothing is held."""


class Moving:
    """A table of the children with the time each has taken, until all are ready; lines from then on."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner("dots")
        self._clock = clock
        self._lines = Lines()
        self._children: Sequence[Child] = ()
        self._began = 0.0
        self._live: Live | None = Live(console=Console(), auto_refresh=False, transient=True)

    def begin(self, children: Sequence[Child]) -> None:
        """Show the table."""
        self._children, self._began = children, self._clock()
        if self._live is not None:
            self._live.start()
            self.frame()

    def child(self, child: Child) -> None:
        """Show the new status."""
        if self._live is None:
            self._lines.child(child)
        else:
            self.frame()

    def frame(self) -> None:
        """Draw the table anew."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def ready(self, text: str) -> None:
        """Leave the table for good."""
        self.end()
        self._lines.ready(text)

    def say(self, text: str) -> None:
        """Write a line; the table ends."""
        self.end()
        self._lines.say(text)

    def end(self) -> None:
        """Take the table away."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _table(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for child in self._children:
            busy = child.status in {Status.WAITING, Status.STARTING}
            mark = self._spinner if busy else "\u2713" if child.status is Status.READY else "!"
            table.add_row(mark, child.part.name, _status_text(child), style=_STYLES.get(child.status, ""))
        table.add_row("", "", f"{self._clock() - self._began:.1f} s", style="dim")
        return table


def make_screen(*, quiet: bool) -> Screen:
    """The screen that fits where the output goes."""
    return Lines(quiet=True) if quiet else Moving() if sys.stdout.isatty() else Lines()


def _status_text(child: Child) -> str:
    if child.status is Status.READY:
        return f"ready after {child.ready_after_seconds:.1f} s" + (f" ({child.detail})" if child.detail else "")
    return f"{child.status} {child.detail}".rstrip()
