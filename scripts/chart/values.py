"""The values of the chart as its files have them: paths, defaults, and the comments above them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "helm" / "synapse"
_MARK = "-- "
_USUAL = {"resources": "What a pod asks for and may use."}


@dataclass(frozen=True, slots=True)
class Value:
    """One value: `path` is what --set names it by, `description` is empty where nothing stands above it."""

    path: str
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class File:
    """One file of values; `prefix` is where the chart has them, empty for its own."""

    prefix: str
    path: Path

    @property
    def defaults(self) -> dict[str, Any]:
        """The values as they are."""
        read: dict[str, Any] = yaml.safe_load(self.path.read_text()) or {}
        return read

    @property
    def about(self) -> str:
        """The comment at the file's head."""
        lines = self.path.read_text().splitlines()
        head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
        return _text(lines[:head]) if head < len(lines) and not lines[head].strip() else ""

    def values(self) -> Iterator[Value]:
        """Every value with a comment of its own, and those at the leaves that have none."""
        text = self.path.read_text()
        root = yaml.compose(text)
        if isinstance(root, yaml.MappingNode):
            yield from _below(root, self.defaults, [self.prefix] if self.prefix else [], text.splitlines())


def files() -> list[File]:
    """The chart's own file, then those of its parts under the names that Chart.yaml gives them."""
    parts = yaml.safe_load((CHART / "Chart.yaml").read_text())["dependencies"]
    named = [(part.get("alias", part["name"]), part["name"]) for part in parts if part["name"] != "common"]
    return [
        File("", CHART / "values.yaml"),
        *(File(name, CHART / "charts" / folder / "values.yaml") for name, folder in named),
    ]


def _below(node: yaml.MappingNode, defaults: dict[str, Any], at: list[str], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path, default = [*at, key.value], defaults[key.value]
        description = _description(lines, key.start_mark.line) or _USUAL.get(key.value, "")
        if description or not isinstance(value, yaml.MappingNode) or not value.value:
            yield Value(".".join(path), default, description)
        else:
            yield from _below(value, default, path, lines)


def _description(lines: list[str], at: int) -> str:
    above = []
    while at > 0 and lines[at - 1].strip().startswith("#"):
        at -= 1
        above.append(lines[at])
    text = _text(above[::-1])
    return text.partition(_MARK)[2] if _MARK in text else ""


def _text(lines: list[str]) -> str:
    return " ".join(line.strip().removeprefix("#").strip() for line in lines).strip()
