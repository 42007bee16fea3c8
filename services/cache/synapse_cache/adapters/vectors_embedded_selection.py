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
from synapse_cache.conditions import Conditions, Page, ref_of

if TYPE_CHECKING:
    from synapse_cache.conditions import Likeness
    from synapse_cache.model import Entry

_PAGE = """
SELECT entries.number, body, vector FROM entries JOIN spots ON spots.number = entries.spot
WHERE entries.tenant = :tenant AND entries.number > :after AND expires_at > :now
"""
_CLAUSES = {
    "id": "id = :id",
    "key": "key = :key",
    "namespace": "namespace = :namespace",
    "created_before": "created_at <= :created_before",
}
_PRESENT = "SELECT id FROM entries WHERE tenant = ? AND id IN (SELECT value FROM json_each(?))"


def select(db: sqlite3.Connection, tenant: str, conditions: Conditions, *, now: float, limit: int, after: int) -> Page:
    """The next entries after the row `after`, of `limit` looked at."""
    wanted = {name: getattr(conditions, name) for name in _CLAUSES}
    asked = {name: value for name, value in wanted.items() if value is not None and (value or name == "namespace")}
    question = f"{' AND '.join((_PAGE, *(_CLAUSES[name] for name in asked)))} ORDER BY entries.number LIMIT :limit"
    rows = db.execute(question, asked | {"tenant": tenant, "after": after, "now": now, "limit": limit}).fetchall()
    alike = [body for _, body, vector in rows if _is_like(vector, conditions.likeness)]
    entries = (entry for entry in map(_entry, alike) if entry is not None and conditions.covers_plainly(entry))
    return Page(tuple(map(ref_of, entries)), str(rows[-1][0]) if len(rows) == limit else "")


def present(db: sqlite3.Connection, tenant: str, entry_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are there."""
    return {row[0] for row in db.execute(_PRESENT, (tenant, json.dumps(list(entry_ids))))}


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
