"""The way to one Milvus collection: connects, makes and loads it behind the callers' backs, and translates errors.

pymilvus is heavy (1.5 s to import) and its definition calls are synchronous, so both run in a thread. A connection that
fails is tried again at most once a second; callers in between are told at once.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from synapse_cache.adapters import vectors_milvus_rows as rows
from synapse_cache.ports import StoreUnavailable

if TYPE_CHECKING:
    from pymilvus import AsyncMilvusClient, MilvusClient

_log = logging.getLogger("synapse.milvus")
_STEP_SECONDS = 5.0
_LOAD_SECONDS = 300.0
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 1.0
_COLLECTION_GONE = frozenset({100, 101, 106})
"""Server codes: collection not found, not loaded, not fully loaded."""
_INDEX = {"M": 16, "efConstruction": 200}
_TEXT_FIELDS = {
    "owner": rows.HASH_LENGTH,
    "place": rows.HASH_LENGTH,
    "spot": rows.HASH_LENGTH,
    "key": rows.HASH_LENGTH,
    "model": rows.HASH_LENGTH,
    "head": rows.FIELD_BYTES,
    "body": rows.FIELD_BYTES,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where Milvus is and how it is entered. `endpoint` may come without a scheme, as host:port."""

    endpoint: str
    token: str = ""
    database: str = ""

    @property
    def uri(self) -> str:
        """The endpoint with a scheme, as pymilvus wants it."""
        return self.endpoint if "://" in self.endpoint else f"http://{self.endpoint}"


class MilvusLink:
    """Runs data calls on one collection; everything that goes wrong is StoreUnavailable."""

    def __init__(self, address: Address, *, collection: str, dimension: int, timeout_seconds: float) -> None:
        self.collection = collection
        self._address = address
        self._dimension = dimension
        self._timeout = timeout_seconds
        self._client: AsyncMilvusClient | None = None
        self._connecting: asyncio.Task[AsyncMilvusClient] | None = None
        self._failure = ""
        self._failed_at = -_RETRY_SECONDS
        self._closing = threading.Event()
        # Those of pymilvus come once it is imported.
        self._errors: tuple[type[Exception], ...] = (grpc.RpcError, grpc.aio.UsageError, OSError, ValueError)

    def begin(self) -> None:
        """Start to connect without waiting for it."""
        if self._connecting is None and not self._closing.is_set():
            self._connecting = asyncio.create_task(self._connect(), name="milvus-connect")
            self._connecting.add_done_callback(self._connected)

    async def call(self, method: str, **arguments: Any) -> Any:
        """What the client's `method` returns for the collection, within the timeout; raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._ready()
                return await getattr(client, method)(self.collection, retry_times=1, **arguments)
        except self._errors as error:
            await self._failed(method, error)
            raise StoreUnavailable(f"milvus {self._address.endpoint}: {method}: {_described(error)}") from error

    async def close(self) -> None:
        """Let go of the connection."""
        self._closing.set()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._drop_client()

    async def _ready(self) -> AsyncMilvusClient:
        if self._client is not None:
            return self._client
        if self._closing.is_set():
            raise StoreUnavailable("milvus: closed")
        if self._connecting is None:
            if time.monotonic() - self._failed_at < _RETRY_SECONDS:
                raise StoreUnavailable(self._failure)
            self.begin()
        assert self._connecting is not None
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> AsyncMilvusClient:
        started = time.monotonic()
        pymilvus = await asyncio.to_thread(importlib.import_module, "pymilvus")
        self._errors = (*self._errors, pymilvus.MilvusException)
        # It logs every error with a traceback; each is raised as well and told here in a line.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        await asyncio.to_thread(_set_up, self._address, self.collection, self._dimension, self._closing)
        address = self._address
        client: AsyncMilvusClient = pymilvus.AsyncMilvusClient(
            address.uri, token=address.token, db_name=address.database
        )
        spent = round(time.monotonic() - started, 2)
        _log.info(
            "milvus connected",
            extra={"endpoint": address.endpoint, "collection": self.collection, "seconds": spent},
        )
        return client

    def _connected(self, task: asyncio.Task[AsyncMilvusClient]) -> None:
        self._connecting = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._client = task.result()
            return
        self._failed_at = time.monotonic()
        self._failure = f"milvus {self._address.endpoint}: {_described(error)}"
        _log.warning("milvus cannot be reached", extra={"endpoint": self._address.endpoint, "cause": _described(error)})

    async def _failed(self, method: str, error: Exception) -> None:
        if getattr(error, "code", None) in _COLLECTION_GONE:
            await self._drop_client()
        _log.warning("milvus call failed", extra={"call": method, "cause": _described(error)})

    async def _drop_client(self) -> None:
        """Begin anew with the next call: make the collection if it is gone, load it if it is not loaded."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(*self._errors):
                await client.close()


def _described(error: BaseException) -> str:
    text = getattr(error, "message", "") or str(error)
    return f"{type(error).__name__}: {text}"[:300]


def _set_up(address: Address, collection: str, dimension: int, closing: threading.Event) -> None:
    """Make the collection unless it is there, and load it. Synchronous and slow: runs in a thread."""
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    client = MilvusClient(address.uri, token=address.token, db_name=address.database, timeout=_STEP_SECONDS)
    try:
        if not client.has_collection(collection, timeout=_STEP_SECONDS):
            try:
                _create(client, collection, dimension)
            except MilvusException:
                # Another replica may have made it at the same moment.
                if not client.has_collection(collection, timeout=_STEP_SECONDS):
                    raise
        _load(client, collection, closing)
    finally:
        client.close()


def _load(client: MilvusClient, collection: str, closing: threading.Event) -> None:
    """Have the collection loaded; a big one takes a while, which must not hold up the end of the process."""
    from pymilvus.client.types import LoadState

    deadline = time.monotonic() + _LOAD_SECONDS
    client.load_collection(collection, timeout=_STEP_SECONDS, _async=True)
    while client.get_load_state(collection, timeout=_STEP_SECONDS)["state"] != LoadState.Loaded:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{collection} is not loaded after {_LOAD_SECONDS:.0f} s")
        if closing.wait(_POLL_SECONDS):
            raise TimeoutError("closed while loading")


def _create(client: MilvusClient, collection: str, dimension: int) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=2 * rows.HASH_LENGTH)
    schema.add_field("tenant", DataType.VARCHAR, is_partition_key=True, max_length=rows.HASH_LENGTH)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    for name in ("created_at", "expires_at"):
        schema.add_field(name, DataType.DOUBLE)
    for name in ("epoch", "part", "parts"):
        schema.add_field(name, DataType.INT64)
    for name, length in _TEXT_FIELDS.items():
        schema.add_field(name, DataType.VARCHAR, max_length=length)
    tag = {"element_type": DataType.VARCHAR, "max_length": rows.HASH_LENGTH}
    schema.add_field("tags", DataType.ARRAY, max_capacity=rows.MOST_TAGS, **tag)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=_INDEX)
    client.create_collection(
        collection, schema=schema, index_params=index, consistency_level="Bounded", timeout=_STEP_SECONDS
    )
