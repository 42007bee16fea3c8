"""How many events a streamed answer has, and when they are sent: the first segment of the path tells."""

from __future__ import annotations

import re
from dataclasses import dataclass

EVENTS = 40
FIRST_SECONDS = 0.010
_SEGMENT = re.compile(rb"/(\d+)x(\d+)/")


@dataclass(frozen=True, slots=True)
class Pace:
    """`events` events, one every `every_seconds` after FIRST_SECONDS; with 0 each as soon as the one before is sent.

    None sends all of them in one piece.
    """

    events: int = EVENTS
    every_seconds: float | None = None

    @property
    def segment(self) -> str:
        """The beginning of a path that asks for it; empty for the usual one."""
        return "" if self.every_seconds is None else f"/{self.events}x{round(self.every_seconds * 1e3)}"


PACED = Pace(EVENTS, 0.005)
"""The pace of streamed misses."""


def pace_of(path: bytes) -> Pace:
    """The pace that `path` asks for."""
    found = _SEGMENT.match(path)
    return Pace(int(found[1]), int(found[2]) / 1e3) if found else Pace()
