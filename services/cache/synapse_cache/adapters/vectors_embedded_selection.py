"""Walks through the embedded vector store's file: entries that meet conditions, in the order they were written.

What has a column is asked of SQLite; tags and models are read out of the entries themselves. Rows are looked at a page
at a time, so that a walk through a large file holds up nobody.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.adapters import codec
from synapse_cache.adapters.rejected import reject
from synapse_cache.invalidation.conditions import Conditions, Leg, Page, ref_of

if TYPE_CHECKING:
    from synapse_cache.invalidation.conditions import Likeness
    from synapse_cache.model import Entry, Vector

# The sign keeps SQLite to the order of the rows: by another index it would sort all of a tenant's for each page.
_PAGE = """
SELECT entries.number, body, vector FROM entries JOIN spots ON spots.number = entries.spot
WHERE +entries.tenant = :tenant AND entries.number > :after AND expires_at > :now
"""
_NAMED = _PAGE.replace("+", "")
_EVERYONES = "SELECT number, body, vector FROM entries WHERE entries.number > :after AND +expires_at > :now"
_LEG_BYTES = 8 * 1024 * 1024
_CLAUSES = {
    "id": "id = :id",
    "key": "key = :key",
    "namespace": "namespace = :namespace",
    "created_before": "created_at <= :created_before",
}
_PRESENT = "SELECT id FROM entries WHERE tenant = ? AND id IN (SELECT value FROM json_each(?))"


def select(db: sqlite3.Connection, tenant: str, conditions: Conditions, *, now: float, limit: int, after: int) -> Page:
    """The next entries after the row `after`, of `limit` looked at."""
    asked = _asked(conditions)
    page = _NAMED if conditions.id or conditions.key else _PAGE
    question = f"{' AND '.join((page, *(_CLAUSES[name] for name in asked)))} ORDER BY entries.number LIMIT :limit"
    rows = db.execute(question, asked | {"tenant": tenant, "after": after, "now": now, "limit": limit}).fetchall()
    marks, likeness = codec.marks_of(conditions), conditions.likeness
    likely = [body for _, body, vector in rows if all(mark in body for mark in marks) and _is_like(vector, likeness)]
    entries = (entry for entry in map(_entry, likely) if entry is not None and conditions.covers_plainly(entry))
    return Page(tuple(map(ref_of, entries)), str(rows[-1][0]) if len(rows) == limit else "")


def walk(
    db: sqlite3.Connection, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: int
) -> Leg:
    """The next entries after the row `after`, of `limit` looked at, or fewer where they are large."""
    question = _EVERYONES
    wanted: dict[str, object] = {"after": after, "now": now, "limit": limit}
    if tenant is not None:
        asked = _asked(conditions)
        question = " AND ".join((_PAGE, *(_CLAUSES[name] for name in asked)))
        wanted |= asked | {"tenant": tenant}
    rows = db.execute(f"{question} ORDER BY entries.number LIMIT :limit", wanted)
    items: list[tuple[Entry, Vector]] = []
    last, seen, size = after, 0, 0
    for number, body, raw in rows:
        last, seen, size = number, seen + 1, size + len(body)
        entry = _entry(body)
        if entry is not None and (tenant is None or conditions.covers_plainly(entry)):
            items.append((entry, np.frombuffer(raw, "<f4")))
        if size >= _LEG_BYTES:
            break
    rows.close()
    return Leg(tuple(items), str(last) if seen == limit or size >= _LEG_BYTES else "")


def present(db: sqlite3.Connection, tenant: str, entry_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are there."""
    return {row[0] for row in db.execute(_PRESENT, (tenant, json.dumps(list(entry_ids))))}


def _asked(conditions: Conditions) -> dict[str, object]:
    """What is asked of columns."""
    wanted = {name: getattr(conditions, name) for name in _CLAUSES}
    return {name: value for name, value in wanted.items() if value is not None and (value or name == "namespace")}


def _is_like(vector: bytes, likeness: Likeness | None) -> bool:
    if likeness is None:
        return True
    return float(np.frombuffer(vector, "<f4") @ likeness.embedding.vector) >= likeness.min_similarity


def _entry(body: bytes) -> Entry | None:
    try:
        return codec.decode(body)
    except codec.CorruptEntry as error:
        reject("vectors", "corrupt", str(error))
        return None
