"""The file of the embedded vector store: a SQLite database that is the truth; the index is made from it.

    about     the vector space and the version of this layout
    spots     a number for each place and scope
    entries   what a match shows, the vector (float32, little-endian) and the whole entry
    codes     the index's rows, lying together by spot so that one spot loads in one sweep

Write-ahead logging with a sync at every commit: what is committed survives a kill and a loss of power, and a torn write
is cut off when the file is opened again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.adapters import codec
from synapse_cache.adapters.vectors_embedded_index import Row, Spot, encode
from synapse_cache.model import Entry, Match, Place
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.model import Vector

_LAYOUT = 1
_PAGE_BYTES = 8192
_BUSY_MILLISECONDS = 5000
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spots (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL, namespace TEXT NOT NULL, epoch INTEGER NOT NULL, scope TEXT NOT NULL,
    UNIQUE (tenant, namespace, epoch, scope));
CREATE TABLE entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    spot INTEGER NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, prompt TEXT NOT NULL,
    created_at REAL NOT NULL, expires_at REAL NOT NULL, vector BLOB NOT NULL, body BLOB NOT NULL,
    UNIQUE (tenant, id));
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE codes (
    spot INTEGER NOT NULL, number INTEGER NOT NULL, scale REAL NOT NULL, expires_at REAL NOT NULL, code BLOB NOT NULL,
    PRIMARY KEY (spot, number)) WITHOUT ROWID;
"""
_INDEX = "CREATE INDEX IF NOT EXISTS entries_by_key ON entries (tenant, key)"
_INSERT = """
INSERT INTO entries (spot, tenant, id, key, prompt, created_at, expires_at, vector, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, id) DO NOTHING
"""
_NEWEST_CODES = "SELECT number, code, scale, expires_at FROM codes WHERE spot = ? ORDER BY number DESC LIMIT ?"
_CANDIDATES = """
SELECT id, key, prompt, created_at, expires_at, vector FROM entries
WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number
"""
_DELETE_ID = "DELETE FROM entries WHERE tenant = ? AND id = ? RETURNING spot, number"
_DELETE_EXPIRED = """
DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE expires_at <= ? LIMIT ?) RETURNING spot, number
"""
_DELETE_OLD_EPOCHS = """
DELETE FROM entries WHERE number IN (
    SELECT codes.number FROM spots JOIN codes ON codes.spot = spots.number
    WHERE tenant = ?1 AND (?2 IS NULL OR namespace = ?2) AND epoch < ?3 LIMIT ?4) RETURNING spot, number
"""
_DELETE_SPOT_IF_EMPTY = "DELETE FROM spots WHERE number = ? AND NOT EXISTS (SELECT 1 FROM codes WHERE spot = ?)"

Removed = dict[Spot, list[int]]
"""Numbers of entries that were removed."""


def file_of(folder: Path, fingerprint: str, dimension: int) -> Path:
    """The file of one vector space in `folder`."""
    space = hashlib.sha256(f"{dimension}\0{fingerprint}".encode()).hexdigest()
    return folder / f"vectors-{space[:16]}.db"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the file into StoreUnavailable that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        spoilt = getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
        advice = "; it is damaged, move it away to start an empty one" if spoilt else ""
        raise StoreUnavailable(f"vector store {path}: {error}{advice}") from error
    except (OSError, sqlite3.Error, ValueError, OverflowError) as error:
        raise StoreUnavailable(f"vector store {path}: {error}") from error


def lock(path: Path) -> int:
    """Hold the file for this process, until the returned descriptor is closed; OSError when another holds it."""
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OSError("another process has it open") from error
    return descriptor


def remove(path: Path) -> None:
    """Remove the file, which nobody has open, and what SQLite keeps beside it."""
    held = lock(path)
    try:
        for name in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
        path.with_suffix(".lock").unlink(missing_ok=True)
    finally:
        os.close(held)


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """A connection that any one thread at a time may use."""
    mode = "rwc" if writing else "ro"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
    db.isolation_level = None
    db.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    if writing:
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 67108864")
    return db


def set_up(db: sqlite3.Connection, *, fingerprint: str, dimension: int, size_limit_bytes: int | None) -> None:
    """Make the tables of a new file; ValueError when an old one is of another layout or vector space."""
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    about = {"fingerprint": fingerprint, "dimension": str(dimension)}
    if layout == 0:
        db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_LAYOUT};")
        db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        db.execute("COMMIT")
    elif layout != _LAYOUT:
        raise ValueError(f"it has layout {layout}, this version knows {_LAYOUT}")
    elif (found := dict(db.execute("SELECT name, value FROM about"))) != about:
        raise ValueError(f"it is of another vector space: {found}")
    db.execute(_INDEX)  # files of before have none
    if size_limit_bytes is not None:
        db.execute(f"PRAGMA max_page_count = {max(1, size_limit_bytes // _PAGE_BYTES)}")


def insert(db: sqlite3.Connection, items: Sequence[tuple[Entry, Vector]]) -> dict[Spot, list[Row]]:
    """Write entries that are not there; the new rows of the index."""
    rows: dict[Spot, list[Row]] = defaultdict(list)
    for entry, vector in items:
        code, scale = encode(vector)
        spot = _spot_number(db, entry)
        who = (spot, entry.tenant, entry.id, entry.key, entry.prompt or "")
        done = db.execute(_INSERT, (*who, entry.created_at, entry.semantic_expires_at, *_blobs(entry, vector)))
        if done.rowcount == 1 and done.lastrowid is not None:
            row = Row(done.lastrowid, code, scale, entry.semantic_expires_at)
            db.execute(
                "INSERT INTO codes VALUES (?, ?, ?, ?, ?)", (spot, row.number, row.scale, row.expires_at, row.code)
            )
            rows[Place(entry.tenant, entry.namespace, entry.epoch), entry.scope].append(row)
    return rows


def _blobs(entry: Entry, vector: Vector) -> tuple[bytes, bytes]:
    return vector.astype("<f4").tobytes(), codec.encode(entry)


def _spot_number(db: sqlite3.Connection, entry: Entry) -> int:
    where = (entry.tenant, entry.namespace, entry.epoch, entry.scope)
    found = _find_spot(db, where)
    if found is not None:
        return found
    done = db.execute("INSERT INTO spots (tenant, namespace, epoch, scope) VALUES (?, ?, ?, ?)", where)
    return done.lastrowid or 0


def _find_spot(db: sqlite3.Connection, where: tuple[str, str, int, str]) -> int | None:
    question = "SELECT number FROM spots WHERE tenant = ? AND namespace = ? AND epoch = ? AND scope = ?"
    found = db.execute(question, where).fetchone()
    return None if found is None else int(found[0])


def delete_ids(db: sqlite3.Connection, tenant: str, entry_ids: Sequence[str]) -> Removed:
    """Remove entries of the tenant."""
    rows = [row for entry_id in entry_ids for row in db.execute(_DELETE_ID, (tenant, entry_id)).fetchall()]
    return _removed(db, rows)


def delete_expired(db: sqlite3.Connection, now: float, *, limit: int) -> Removed:
    """Remove at most `limit` entries that nobody may find any more."""
    return _removed(db, db.execute(_DELETE_EXPIRED, (now, limit)).fetchall())


def delete_old_epochs(db: sqlite3.Connection, tenant: str, namespace: str | None, epoch: int, *, limit: int) -> Removed:
    """Remove at most `limit` entries of epochs below `epoch`, of a namespace or of all the tenant's."""
    return _removed(db, db.execute(_DELETE_OLD_EPOCHS, (tenant, namespace, epoch, limit)).fetchall())


def _removed(db: sqlite3.Connection, rows: Sequence[tuple[int, int]]) -> Removed:
    db.executemany("DELETE FROM codes WHERE spot = ? AND number = ?", rows)
    by_spot: dict[int, list[int]] = defaultdict(list)
    for spot, number in rows:
        by_spot[spot].append(number)
    removed: Removed = {}
    for spot, numbers in by_spot.items():
        question = "SELECT tenant, namespace, epoch, scope FROM spots WHERE number = ?"
        tenant, namespace, epoch, scope = db.execute(question, (spot,)).fetchone()
        removed[Place(tenant, namespace, epoch), scope] = numbers
        db.execute(_DELETE_SPOT_IF_EMPTY, (spot, spot))
    return removed


def codes(db: sqlite3.Connection, spot: Spot, *, limit: int) -> list[Row]:
    """The index's newest rows of a spot, oldest first, at most `limit`."""
    place, scope = spot
    number = _find_spot(db, (place.tenant, place.namespace, place.epoch, scope))
    if number is None:
        return []
    return [Row(*row) for row in reversed(db.execute(_NEWEST_CODES, (number, limit)).fetchall())]


def rank(
    db: sqlite3.Connection, numbers: Sequence[int], vector: Vector, *, limit: int, min_similarity: float
) -> list[Match]:
    """The entries of these numbers as matches, most similar first by their exact vectors."""
    rows = db.execute(_CANDIDATES, (json.dumps(list(numbers)),)).fetchall()
    if not rows:
        return []
    vectors = np.frombuffer(b"".join(row[-1] for row in rows), "<f4").reshape(len(rows), -1)
    similarities = np.minimum(vectors @ vector, 1.0)
    best = np.argsort(-similarities, kind="stable")[:limit]
    return [
        _match(rows[index], similarity)
        for index in best
        if (similarity := float(similarities[index])) >= min_similarity
    ]


def _match(row: tuple[str, str, str, float, float, bytes], similarity: float) -> Match:
    entry_id, key, prompt, created_at, expires_at, _ = row
    return Match(entry_id, key, prompt, similarity, created_at, expires_at)


def fetch(db: sqlite3.Connection, tenant: str, entry_id: str) -> Entry | None:
    """The whole entry; codec.CorruptEntry (a ValueError) when it is damaged."""
    row = db.execute("SELECT body FROM entries WHERE tenant = ? AND id = ?", (tenant, entry_id)).fetchone()
    return None if row is None else codec.decode(row[0])


def count(db: sqlite3.Connection, tenant: str | None) -> int:
    """How many entries there are."""
    if tenant is None:
        row = db.execute("SELECT count(*) FROM entries").fetchone()
    else:
        row = db.execute("SELECT count(*) FROM entries WHERE tenant = ?", (tenant,)).fetchone()
    return int(row[0])
