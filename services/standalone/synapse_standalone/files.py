"""Files of lines that commands read and write: plain, compressed where the name ends in .gz, or a pipe for "-"."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from synapse_standalone.errors import EXIT_CANNOT_CREATE, EXIT_FAILED, CommandError

PIPE = "-"
_COMPRESSED = ".gz"
_LONGEST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Numbered:
    """A line that is not blank, by its number from 1, and the share of the file that is read, if that is known."""

    number: int
    raw: bytes
    share: float | None


@contextmanager
def writing(name: str) -> Iterator[IO[bytes]]:
    """A file that is there under its name only once all of it is; raises CommandError."""
    if name == PIPE:
        yield sys.stdout.buffer
        return
    path = Path(name)
    part = path.with_name(f"{path.name}.part")
    try:
        with _opened_to_write(part, compressed=path.suffix == _COMPRESSED) as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise CommandError(f"cannot write {name}: {error.strerror or error}", status=EXIT_CANNOT_CREATE) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def reading(name: str) -> Iterator[Iterator[Numbered]]:
    """The lines of a file; raises CommandError, also for what is not compressed although its name says so."""
    try:
        if name == PIPE:
            yield _numbered(sys.stdin.buffer, None, 0)
            return
        path = Path(name)
        with path.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            file = gzip.GzipFile(fileobj=raw) if path.suffix == _COMPRESSED else raw
            yield _numbered(cast("BinaryIO", file), raw, size)
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or error
        raise CommandError(f"cannot read {name}: {what}", status=EXIT_FAILED) from error


def _opened_to_write(path: Path, *, compressed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "wb")) if compressed else path.open("wb")


def _numbered(file: BinaryIO, under: BinaryIO | None, size: int) -> Iterator[Numbered]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if raw := line.strip():
            yield Numbered(number, raw, under.tell() / size if under is not None and size else None)
