"""`synapse export|import`: the entries of the running mesh into a file of JSON lines, and out of one."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from synapse_standalone.files import Numbered

_PATH = "/api/v1/cache"
_LINES = "application/x-ndjson"
_SECONDS = 120.0
_BATCH_LINES, _BATCH_BYTES = 100, 4 * 1024 * 1024
_COUNTS = ("imported", "unchanged", "expired", "refused")
_MOST_ERRORS = 20


def add_export(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse export`."""
    command.add_argument("file", metavar="FILE", help="where to; compressed if it ends in .gz, - for standard output")
    command.add_argument("--namespace", default="", help="only this part of the tenant's cache")
    command.add_argument("--tag", default="", help="only entries that carry this label")
    command.add_argument("--model", default="", help="only entries of this model")
    command.add_argument("--vectors", action="store_true", help="with vectors: larger, and imported without embedding")


def add_import(command: argparse.ArgumentParser) -> None:
    """The arguments of `synapse import`."""
    command.add_argument("file", metavar="FILE", help="an export; compressed if it ends in .gz, - for standard input")
    command.add_argument("--namespace", default="", help="put all entries into this part of the tenant's cache")
    command.add_argument(
        "--ttl", type=_seconds, metavar="SECONDS", help="life from now, within the thresholds (default: what is left)"
    )


def export(arguments: argparse.Namespace) -> int:
    """Write the live entries to a file."""
    from synapse_standalone import files
    from synapse_standalone.progress import progress
    from synapse_standalone.state import read_endpoint

    endpoint, count = read_endpoint(arguments.state), 0
    asked = {name: getattr(arguments, name) for name in ("namespace", "tag", "model")}
    wanted = {name: value for name, value in asked.items() if value}
    if arguments.vectors:
        wanted["vectors"] = "true"
    with files.writing(arguments.file) as file, progress() as shown:
        for line in _lines(endpoint, wanted):
            file.write(line)
            count += 1
            shown.tell(f"{count} entries exported")
    sys.stderr.write(f"{count} entries exported\n")
    return 0


def import_(arguments: argparse.Namespace) -> int:
    """Bring entries in from a file; the exit status is 1 where some were refused."""
    from synapse_standalone import files
    from synapse_standalone.progress import progress
    from synapse_standalone.state import read_endpoint

    endpoint, tally = read_endpoint(arguments.state), Tally()
    parameters = {"namespace": arguments.namespace} if arguments.namespace else {}
    if arguments.ttl is not None:
        parameters["ttl"] = f"{arguments.ttl:.3f}s"
    try:
        with files.reading(arguments.file) as lines, progress() as shown:
            for batch in _batches(lines):
                tally.add(_sent(endpoint, batch, parameters))
                shown.tell(tally.summary, share=batch[-1].share)
    finally:
        tally.print()
    return tally.status


@dataclass
class Tally:
    """What became of the entries so far."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def add(self, reply: Mapping[str, Any]) -> None:
        """Take in what became of a batch."""
        self.counts.update({name: int(reply.get(name, 0)) for name in _COUNTS})
        self.errors += list(reply.get("errors", ()))[: _MOST_ERRORS - len(self.errors)]

    @property
    def summary(self) -> str:
        """It in a line."""
        return ", ".join(f"{self.counts[name]} {name}" for name in _COUNTS)

    @property
    def status(self) -> int:
        """The exit status."""
        return int(self.counts["refused"] > 0)

    def print(self) -> None:
        """Tell people; why entries were refused goes to stderr."""
        for error in self.errors:
            sys.stderr.write(f"{error}\n")
        if self.counts["refused"] > len(self.errors):
            sys.stderr.write(f"and {self.counts['refused'] - len(self.errors)} more\n")
        print(self.summary)


def _lines(endpoint: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[bytes]:
    """The lines of an export."""
    from synapse_standalone import client

    path = f"{_PATH}:export?{urlencode(wanted)}"
    with client.opened(endpoint, path, timeout=_SECONDS, headers={"accept": _LINES}) as response:
        yield from response


def _sent(endpoint: Mapping[str, Any], batch: list[Numbered], parameters: Mapping[str, str]) -> dict[str, Any]:
    """What became of a batch, whose blank lines are sent along so that the numbers stay."""
    from synapse_standalone import client

    first = batch[0].number
    body, number = bytearray(), first
    for line in batch:
        body += b"\n" * (line.number - number) + line.raw
        number = line.number
    path = f"{_PATH}:import?{urlencode({**parameters, 'line': first})}"
    with client.opened(endpoint, path, timeout=_SECONDS, data=bytes(body), headers={"content-type": _LINES}) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def _batches(lines: Iterable[Numbered]) -> Iterator[list[Numbered]]:
    """Lines in requests of a moderate size, so that none lasts long and progress is seen."""
    batch: list[Numbered] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line.raw)
        if len(batch) >= _BATCH_LINES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return seconds
