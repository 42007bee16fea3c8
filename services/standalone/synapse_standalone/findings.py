"""What `synapse check` found out about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Whether the mesh would run: as it should, with a weakness, or not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was seen, and what helps."""

    level: Level
    what: str
    text: str
    remedy: str = ""
