"""The vector store on Milvus 2.3 or later, shared by every replica.

Searches and fetches read with bounded staleness: an insert shows after a while (RecentWrites bridges that) and so does
a delete of another replica; the deletes of this one are remembered until they show. What must be exact, whether an
entry is there before it is inserted or deleted, reads strongly, 0.2-0.4 s, off the path of any request. Rows are
inserted and deleted, never upserted: Milvus 2.3.5 hides an upserted row of a partition-key collection from filtered
searches.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from synapse_cache.adapters import vectors_milvus_rows as rows
from synapse_cache.adapters.vectors_milvus_link import Address, MilvusLink
from synapse_cache.adapters.vectors_milvus_stretch import Stretch
from synapse_cache.invalidation.conditions import Conditions, Leg, Likeness, Page
from synapse_cache.model import Entry, Match, Place
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from synapse_cache.model import Vector

_log = logging.getLogger("synapse.milvus")
_SEARCH_BREADTH = 64
_PAGE = 1000
_INSERT_ROWS = 64
_LEG_PIECES = 256
_DELETED_SECONDS = 60.0
_DELETED_CAPACITY = 10_000


class MilvusVectorStore:
    """VectorStore over one collection, named after the vector space."""

    shared = True

    def __init__(self, link: MilvusLink, *, dimension: int) -> None:
        self._link = link
        self._dimension = dimension
        self._deleted: dict[str, float] = {}

    @classmethod
    async def open(
        cls,
        endpoint: str,
        *,
        fingerprint: str,
        dimension: int,
        token: str = "",
        database: str = "",
        timeout_seconds: float = 10.0,
    ) -> MilvusVectorStore:
        """Begin to connect and return; until that is done, calls wait for it within `timeout_seconds` each."""
        link = MilvusLink(
            Address(endpoint, token, database),
            collection=rows.collection_name(fingerprint, dimension),
            dimension=dimension,
            timeout_seconds=timeout_seconds,
        )
        link.begin()
        return cls(link, dimension=dimension)

    @property
    def collection(self) -> str:
        """The collection's name."""
        return self._link.collection

    async def search(
        self, vector: Vector, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """As the port says."""
        self._check(vector)
        wanted = 2 * limit
        found = await self._link.call(
            "search",
            data=[vector],
            anns_field="vector",
            filter=rows.live_in(place, scope, now),
            limit=wanted,
            output_fields=["head", "expires_at"],
            search_params={"metric_type": "COSINE", "params": {"ef": max(_SEARCH_BREADTH, wanted)}},
            consistency_level="Bounded",
        )
        # An entry inserted by two replicas at once is there twice.
        unique = {match.entry_id: match for match in reversed([rows.match_of(hit) for hit in found[0]])}
        best = sorted(unique.values(), key=lambda match: -match.similarity)
        return [
            match
            for match in best
            if match.similarity >= min_similarity and rows.owner(place.tenant, match.entry_id) not in self._deleted
        ][:limit]

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """As the port says."""
        if rows.owner(tenant, entry_id) in self._deleted:
            return None
        found = await self._query(rows.of_entries(tenant, [entry_id]), "part", "parts", "body", strong=False)
        entry = rows.entry_of(found)
        return entry if entry is not None and (entry.tenant, entry.id) == (tenant, entry_id) else None

    async def insert(self, items: Sequence[tuple[Entry, Vector]]) -> None:
        """As the port says."""
        pks: dict[str, tuple[Entry, Vector]] = {}
        for entry, vector in items:
            self._check(vector)
            pks.setdefault(rows.first_pk(entry.tenant, entry.id), (entry, vector))
        if not pks:
            return
        tenants = {entry.tenant for entry, _ in pks.values()}
        present = await self._query(rows.with_pks(tenants, pks), "pk", strong=True)
        for row in present:
            pks.pop(row["pk"], None)
        for batch in _batches(await asyncio.to_thread(_all_rows, list(pks.values()))):
            await self._link.call("insert", data=batch)
        for entry, _ in pks.values():
            self._deleted.pop(rows.owner(entry.tenant, entry.id), None)

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """As the port says."""
        total = 0
        for start in range(0, len(entry_ids), _PAGE):
            total += await self._delete_all(rows.of_entries(tenant, entry_ids[start : start + _PAGE]))
        return total

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """As the port says; a likeness is found as far as the index finds it."""
        stretch = Stretch.read(after)
        while True:
            where = f"{rows.meeting(tenant, conditions, now)} and {stretch.clause}"
            found = await self._first_rows(where, conditions.likeness, limit)
            if len(found) < limit:
                return Page(tuple(map(rows.ref_of, found)), stretch.next(wider=2 * len(found) < limit))
            stretch = stretch.narrower()

    async def _first_rows(self, where: str, likeness: Likeness | None, limit: int) -> list[dict[str, Any]]:
        fields = ["head", "epoch"]
        if likeness is None:
            return await self._query(where, *fields, strong=True, limit=limit)
        self._check(likeness.embedding.vector)
        found = await self._link.call(
            "search",
            data=[likeness.embedding.vector],
            anns_field="vector",
            filter=where,
            limit=limit,
            output_fields=fields,
            search_params={"metric_type": "COSINE", "params": {"ef": max(_SEARCH_BREADTH, 2 * limit)}},
            consistency_level="Strong",
        )
        return [hit["entity"] for hit in found[0] if hit["distance"] >= likeness.min_similarity]

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As the port says."""
        stretch = Stretch.read(after)
        live = rows.live(now) if tenant is None else rows.meeting(tenant, conditions, now)
        while True:
            where = f"{live} and {stretch.clause}"
            firsts = await self._query(where, "owner", "parts", "vector", strong=True, limit=limit)
            pieces = sum(int(row["parts"]) for row in firsts)
            if len(firsts) < limit and (pieces <= _LEG_PIECES or len(firsts) <= 1):
                return Leg(await self._items(firsts), stretch.next(wider=2 * len(firsts) < limit))
            stretch = stretch.narrower()

    async def _items(self, firsts: Sequence[dict[str, Any]]) -> tuple[tuple[Entry, Vector], ...]:
        """The entries of first rows (fields owner, parts, vector), read in one exchange."""
        vectors = {row["owner"]: np.asarray(row["vector"], np.float32) for row in firsts}
        if not vectors:
            return ()
        most = 2 * sum(int(row["parts"]) for row in firsts)  # an entry inserted by two replicas at once is there twice
        found = await self._query(
            rows.with_owners(vectors), "owner", "part", "parts", "body", strong=True, limit=max(most, 1)
        )
        by_owner: dict[str, list[dict[str, Any]]] = {}
        for row in found:
            by_owner.setdefault(row["owner"], []).append(row)
        entries = ((owner, rows.entry_of(parts)) for owner, parts in by_owner.items())
        return tuple((entry, vectors[owner]) for owner, entry in entries if entry is not None)

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """As the port says."""
        pks = {rows.first_pk(tenant, entry_id): entry_id for entry_id in entry_ids}
        found = await self._query(rows.with_pks([tenant], pks), "pk", strong=True, limit=len(pks)) if pks else ()
        return {pks[row["pk"]] for row in found}

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """As the port says."""
        return await self._delete_all(rows.before_epoch(tenant, namespace, before_epoch))

    async def expire(self, *, now: float) -> int:
        """As the port says."""
        return await self._delete_all(rows.expired(now))

    async def count(self, tenant: str | None = None) -> int:
        """As the port says."""
        where = "part == 0" if tenant is None else f"{rows.of_tenant(tenant)} and part == 0"
        (row,) = await self._query(where, "count(*)", strong=True, limit=None)
        return int(row["count(*)"])

    async def ping(self) -> None:
        """As the port says."""
        await self._query(rows.with_pks([""], ["-"]), "pk", strong=False)

    async def drop(self) -> None:
        """As the port says."""
        await self._link.call("drop_collection")
        await self._link.close()

    async def close(self) -> None:
        """As the port says."""
        await self._link.close()

    async def _delete_all(self, where: str) -> int:
        """Delete page by page; strong reads, so that no page shows again what the one before deleted."""
        entries: set[str] = set()
        gone: set[str] = set()
        while found := await self._query(where, "pk", "owner", strong=True):
            pks = {row["pk"] for row in found}
            if pks <= gone:
                raise StoreUnavailable("milvus: deleted rows are still there")
            await self._link.call("delete", ids=sorted(pks))
            owners = {row["owner"] for row in found}
            self._remember_deleted(owners)
            entries |= owners
            gone |= pks
        return len(entries)

    def _remember_deleted(self, owners: set[str]) -> None:
        now = time.monotonic()
        self._deleted |= dict.fromkeys(owners, now)
        for owner, deleted_at in list(self._deleted.items()):
            if len(self._deleted) <= _DELETED_CAPACITY and now - deleted_at <= _DELETED_SECONDS:
                return
            del self._deleted[owner]

    async def _query(self, where: str, *fields: str, strong: bool, limit: int | None = _PAGE) -> list[dict[str, Any]]:
        arguments: dict[str, Any] = {} if limit is None else {"limit": limit}
        level = "Strong" if strong else "Bounded"
        found = await self._link.call(
            "query", filter=where, output_fields=list(fields), consistency_level=level, **arguments
        )
        return list(found)

    def _check(self, vector: Vector) -> None:
        if vector.shape != (self._dimension,):
            raise StoreUnavailable(f"a vector of shape {vector.shape} in a store of {self._dimension} dimensions")


def _all_rows(items: Sequence[tuple[Entry, Vector]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry, vector in items:
        try:
            found += rows.rows_of(entry, vector)
        except rows.PromptTooLong as error:
            _log.warning("milvus entry left out", extra={"cause": str(error)})
    return found


def _batches(everything: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in requests of at most about 4 MB."""
    for start in range(0, len(everything), _INSERT_ROWS):
        yield list(everything[start : start + _INSERT_ROWS])
