"""The journal's file: one SQLite database in WAL mode, used by one thread of one process.

A commit is in the operating system's hands when it returns, so it survives a kill of the process; `sync` puts it on
the disk. A file that cannot be read is set aside as `<name>.corrupt` (in place of an older one) and a new one begun.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_log = logging.getLogger("synapse.cache.journal")
_VERSION = 1
_LOCK_WAIT_SECONDS = 2.0
_ROW_BYTES = 128
_FREED_PAGES = 2_000
_SIDE_FILES = ("", "-wal", "-shm")
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SCHEMA = f"""
BEGIN;
CREATE TABLE entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class _Unreadable(Exception):
    """The file is damaged or not a journal."""


class JournalFile:
    """Rows of id and data in the order of their arrival, at most `max_bytes` of them. Every failure is OSError."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._begin()

    def run(self, steps: Sequence[Callable[[JournalFile], Any]]) -> list[Any]:
        """Run `steps` in one transaction; what each returned or the OSError that it alone raised.

        Raises OSError when nothing of it could be kept.
        """
        before = (self.count, self.size_bytes)
        committed = False
        try:
            with self._own_errors():
                self._database.execute("BEGIN IMMEDIATE")
                results = [_attempt(step, self) for step in steps]
                self._database.execute("COMMIT")
            committed = True
        except _Unreadable as error:
            self._begin_anew(error)
            before = (self.count, self.size_bytes)
            raise OSError(errno.EIO, "the journal was damaged; a new one was begun") from error
        finally:
            if not committed:
                self.count, self.size_bytes = before
                self._roll_back()
        return results

    def _roll_back(self) -> None:
        if self._database.in_transaction:  # after some errors SQLite has done it itself
            with self._own_errors():
                self._database.execute("ROLLBACK")

    def append(self, entry_id: str, data: bytes) -> None:
        """Add a row, or give the row of that id new data; inside `run`."""
        size = len(data) + _ROW_BYTES
        if self.size_bytes + size > self.max_bytes:
            raise OSError(errno.ENOSPC, f"the journal holds its {self.max_bytes} bytes")
        self.settle([entry_id])
        self._database.execute("INSERT INTO entries (id, data) VALUES (?, ?)", (entry_id, data))
        self.count += 1
        self.size_bytes += size

    def settle(self, entry_ids: Sequence[str]) -> None:
        """Remove rows; inside `run`."""
        for entry_id in entry_ids:
            rows = self._database.execute("DELETE FROM entries WHERE id = ? RETURNING length(data)", (entry_id,))
            for (size,) in rows.fetchall():
                self.count -= 1
                self.size_bytes -= size + _ROW_BYTES

    def pending(self, limit: int) -> list[tuple[str, bytes]]:
        """Id and data of the oldest rows, at most `limit`; inside `run`."""
        return self._database.execute("SELECT id, data FROM entries ORDER BY seq LIMIT ?", (limit,)).fetchall()

    def sync(self) -> None:
        """Put everything on the disk, and give back the space of settled rows once none are left."""
        try:
            with self._own_errors():
                if not self.count:
                    # As a script: `execute` would free one page only.
                    self._database.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
                self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except _Unreadable as error:
            self._begin_anew(error)

    def close(self) -> None:
        """Put everything on the disk and let go of the file."""
        with self._own_errors():
            self._database.close()

    def _begin(self) -> None:
        try:
            self._open()
        except _Unreadable as error:
            self._begin_anew(error)

    def _begin_anew(self, damage: _Unreadable) -> None:
        """Set the file aside; what it held and no store has is lost, the upstream will be asked again."""
        self._database.close()
        aside = self._path.with_name(f"{self._path.name}.corrupt")
        for suffix in _SIDE_FILES:
            source = self._path.with_name(self._path.name + suffix)
            if source.exists():
                source.replace(aside.with_name(aside.name + suffix))
        _log.error("journal unreadable, set aside", extra={"set_aside": str(aside), "damage": str(damage)})
        try:
            self._open()
        except _Unreadable as error:
            raise OSError(errno.EIO, f"a new journal at {self._path} cannot be read: {error}") from error

    def _open(self) -> None:
        with self._own_errors():
            self._database = sqlite3.connect(
                self._path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._own_errors():
                self._prepare()
        except BaseException:
            self._database.close()
            raise

    def _prepare(self) -> None:
        execute = self._database.execute
        # Exclusive: a second process is refused, and no shared-memory file is needed.
        for pragma in ("locking_mode = EXCLUSIVE", "auto_vacuum = INCREMENTAL", "journal_mode = WAL"):
            execute(f"PRAGMA {pragma}").fetchall()
        execute("PRAGMA synchronous = NORMAL")
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")
        (found,) = execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise _Unreadable(found)
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not version and not tables:
            self._database.executescript(_SCHEMA)
        elif version != _VERSION:
            raise _Unreadable(f"it is of version {version}, not {_VERSION}")
        self.count, self.size_bytes = execute(
            "SELECT count(*), coalesce(sum(length(data) + ?), 0) FROM entries", (_ROW_BYTES,)
        ).fetchone()

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGE:
                raise _Unreadable(str(error)) from error
            raise OSError(_ERRNO.get(code, errno.EIO), f"journal {self._path}: {error}") from error


def _attempt(step: Callable[[JournalFile], Any], file: JournalFile) -> Any:
    try:
        return step(file)
    except OSError as refusal:
        return refusal
