"""Entries as rows of a Milvus collection, and back.

    pk          owner, "-", part
    owner       hash of tenant and id: the entry
    tenant      hash of the tenant; the partition key
    place       hash of tenant and namespace
    spot        hash of tenant, namespace, epoch and scope: what is searched together
    key, model  hashes of the exact key and of the model
    tags        hashes of the labels (part 0)
    epoch, created_at, expires_at, vector
    part        0 for the row that is searched; an entry too long for one row goes on in parts 1, 2, ...
    parts       how many rows the entry has
    head        JSON of what a match shows (part 0)
    body        base64 of a piece of the compressed entry

Filters compare hashes and numbers only. No text of a caller ever stands in one, so none can change its meaning.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from synapse_cache.adapters import codec
from synapse_cache.invalidation.conditions import Conditions, Ref
from synapse_cache.model import Entry, Match, Place

if TYPE_CHECKING:
    from synapse_cache.model import Vector

LAYOUT = 2
HASH_LENGTH = 32
FIELD_BYTES = 65_535
"""What Milvus takes in one text field."""
MOST_TAGS = 256
"""What an entry may have; requests may give a sixteenth of it."""
_PIECE_BYTES = 48_000
_READABLE = 40
_FAST = 1


class PromptTooLong(ValueError):
    """The prompt does not fit into a row; no embedder reads that far."""


def collection_name(fingerprint: str, dimension: int) -> str:
    """The collection of one vector space: the readable beginning of its fingerprint, then a hash of all of it."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", fingerprint).strip("_")[:_READABLE]
    return f"synapse_v{LAYOUT}_{readable}_{hashed(fingerprint, str(dimension))[:16]}"


def hashed(*texts: str) -> str:
    """A hash of the texts, each with its length before it, so that no two sequences meet."""
    digest = hashlib.blake2b(digest_size=HASH_LENGTH // 2)
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def owner(tenant: str, entry_id: str) -> str:
    """Which entry a row belongs to."""
    return hashed("entry", tenant, entry_id)


def first_pk(tenant: str, entry_id: str) -> str:
    """The primary key of the entry's first row."""
    return f"{owner(tenant, entry_id)}-0"


def live_in(place: Place, scope: str, now: float) -> str:
    """Filter: first rows of a place and scope that may be found now."""
    spot = hashed("spot", place.tenant, place.namespace, str(place.epoch), scope)
    return f"{of_tenant(place.tenant)} and spot == '{spot}' and part == 0 and expires_at > {float(now)!r}"


def of_tenant(tenant: str) -> str:
    """Filter: rows of the tenant."""
    return f"tenant == '{hashed('tenant', tenant)}'"


def of_entries(tenant: str, entry_ids: Iterable[str]) -> str:
    """Filter: every row of these entries."""
    return f"{of_tenant(tenant)} and owner in {_quoted(owner(tenant, entry_id) for entry_id in entry_ids)}"


def with_pks(tenants: Iterable[str], pks: Iterable[str]) -> str:
    """Filter: rows of the tenants with these primary keys (made by `first_pk`)."""
    return f"tenant in {_quoted(hashed('tenant', tenant) for tenant in tenants)} and pk in {_quoted(pks)}"


def with_owners(owners: Iterable[str]) -> str:
    """Filter: every row of entries named by `owner`."""
    return f"owner in {_quoted(owners)}"


def live(now: float) -> str:
    """Filter: first rows of every live entry of all tenants."""
    return f"part == 0 and expires_at > {float(now)!r}"


def before_epoch(tenant: str, namespace: str | None, epoch: int) -> str:
    """Filter: rows of epochs below `epoch`, of a namespace or of all the tenant's."""
    return " and ".join((of_tenant(tenant), *_in_namespace(tenant, namespace), f"epoch < {epoch:d}"))


def meeting(tenant: str, conditions: Conditions, now: float) -> str:
    """Filter: first rows of the tenant's live entries that meet conditions, likeness apart."""
    clauses = [of_tenant(tenant), "part == 0", f"expires_at > {float(now)!r}"]
    clauses += _in_namespace(tenant, conditions.namespace)
    if conditions.id:
        clauses.append(f"owner == '{owner(tenant, conditions.id)}'")
    if conditions.key:
        clauses.append(f"key == '{hashed('key', conditions.key)}'")
    if conditions.model:
        clauses.append(f"model == '{hashed('model', conditions.model)}'")
    if conditions.tag:
        clauses.append(f"array_contains(tags, '{hashed('tag', conditions.tag)}')")
    if conditions.created_before is not None:
        clauses.append(f"created_at <= {float(conditions.created_before)!r}")
    return " and ".join(clauses)


def _in_namespace(tenant: str, namespace: str | None) -> list[str]:
    return [] if namespace is None else [f"place == '{hashed('place', tenant, namespace)}'"]


def expired(now: float) -> str:
    """Filter: rows that nobody may find any more."""
    return f"expires_at <= {float(now)!r}"


def _quoted(hashes: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{one}'" for one in hashes) + "]"


def rows_of(entry: Entry, vector: Vector) -> list[dict[str, Any]]:
    """The entry's rows, the first one last: where it is, all are."""
    head = orjson.dumps([entry.id, entry.key, entry.prompt or "", entry.created_at, entry.namespace]).decode()
    if len(head.encode()) > FIELD_BYTES:
        raise PromptTooLong(f"the prompt of entry {entry.id} does not fit into {FIELD_BYTES} bytes")
    body = zlib.compress(codec.encode(entry), _FAST)
    pieces = [body[start : start + _PIECE_BYTES] for start in range(0, len(body), _PIECE_BYTES)]
    owned_by = owner(entry.tenant, entry.id)
    common = {
        "owner": owned_by,
        "tenant": hashed("tenant", entry.tenant),
        "place": hashed("place", entry.tenant, entry.namespace),
        "spot": hashed("spot", entry.tenant, entry.namespace, str(entry.epoch), entry.scope),
        "key": hashed("key", entry.key),
        "model": hashed("model", entry.model),
        "epoch": entry.epoch,
        "created_at": entry.created_at,
        "expires_at": entry.semantic_expires_at,
        "vector": vector.tolist(),
        "parts": len(pieces),
    }
    rows = [
        common
        | {
            "pk": f"{owned_by}-{part}",
            "part": part,
            "head": "" if part else head,
            "tags": [] if part else [hashed("tag", tag) for tag in entry.tags[:MOST_TAGS]],
            "body": base64.b64encode(piece).decode(),
        }
        for part, piece in enumerate(pieces)
    ]
    return rows[::-1]


def entry_of(rows: Sequence[Mapping[str, Any]]) -> Entry | None:
    """The entry in its rows (fields part, parts, body); None when they are not all there or not readable."""
    pieces = {int(row["part"]): row["body"] for row in rows}
    if not rows or set(pieces) != set(range(int(rows[0]["parts"]))):
        return None
    try:
        body = b"".join(base64.b64decode(pieces[part]) for part in sorted(pieces))
        return codec.decode(zlib.decompress(body))
    except (binascii.Error, zlib.error, codec.CorruptEntry):
        return None


def match_of(hit: Mapping[str, Any]) -> Match:
    """A search hit (fields head, expires_at) as a match; COSINE may come back as a little more than one."""
    entry_id, key, prompt, created_at, _ = orjson.loads(hit["entity"]["head"])
    similarity = min(1.0, float(hit["distance"]))
    return Match(entry_id, key, prompt, similarity, float(created_at), float(hit["entity"]["expires_at"]))


def ref_of(row: Mapping[str, Any]) -> Ref:
    """A first row (fields head, epoch) as the name of its entry."""
    entry_id, key, _, _, namespace = orjson.loads(row["head"])
    return Ref(entry_id, key, namespace, int(row["epoch"]))
