"""Entries as bytes, for stores that keep values: a checked frame around a `synapse.cache.v1.Entry`.

    magic 4 | CRC-32 of all that follows 4 | length of the head 4 | length of the answer 4 | tokens 8 | Entry

All integers are little-endian. The message's last field is its `generation`, so the head in front of it is read
without parsing the answer: the hot path hands the answer's bytes on as they are.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from synapse.cache.v1 import entry_pb2
from synapse_cache.model import Entry

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from synapse_cache.invalidation.conditions import Conditions

_MAGIC = b"SYE1"
_FRAME = struct.Struct("<4sIIIq")
_CHECKED_FROM = 8
_GENERATION_TAG = bytes([entry_pb2.Entry.GENERATION_FIELD_NUMBER << 3 | 2])


class CorruptEntry(ValueError):
    """The bytes are not an entry that this version wrote, or not whole."""


def encode(entry: Entry) -> bytes:
    """The entry as bytes; times keep their full precision."""
    head = _head(entry).SerializeToString()
    answer = entry.answer
    body = b"".join((head, _GENERATION_TAG, _varint(len(answer)), answer))
    frame = _FRAME.pack(_MAGIC, 0, len(head), len(answer), entry.tokens)
    checksum = zlib.crc32(body, zlib.crc32(frame[_CHECKED_FROM:]))
    return b"".join((_MAGIC, checksum.to_bytes(4, "little"), frame[_CHECKED_FROM:], body))


def decode(data: bytes) -> Entry:
    """The entry in `data`; raises CorruptEntry."""
    try:
        magic, checksum, head_size, answer_size, tokens = _FRAME.unpack_from(data)
    except struct.error as error:
        raise CorruptEntry("too short for an entry") from error
    if magic != _MAGIC:
        raise CorruptEntry("not an entry of this version")
    if checksum != zlib.crc32(memoryview(data)[_CHECKED_FROM:]):
        raise CorruptEntry("the checksum does not match")
    try:
        head = entry_pb2.Entry.FromString(data[_FRAME.size : _FRAME.size + head_size])
    except DecodeError as error:
        raise CorruptEntry("the head cannot be read") from error
    return Entry(
        head.id,
        head.key,
        head.scope,
        head.tenant,
        head.namespace,
        head.epoch,
        head.model,
        None if head.exact_only else head.prompt,
        data[len(data) - answer_size :],
        tokens,
        _seconds(head.create_time),
        _seconds(head.expire_time),
        _seconds(head.semantic_expire_time),
        tuple(head.tags),
        head.cost_nanos,
        head.made_in_ms / 1000,
        _seconds(head.stale_expire_time),
    )


def marks_of(conditions: Conditions) -> tuple[bytes, ...]:
    """Bytes that every encoded entry which meets `conditions` holds: finding them is cheaper than decoding it."""
    named = (conditions.id, conditions.key, conditions.namespace, conditions.tag, conditions.model)
    return tuple(text.encode("utf-8", "surrogatepass") for text in named if text)


def _head(entry: Entry) -> entry_pb2.Entry:
    head = entry_pb2.Entry(
        id=entry.id,
        key=entry.key,
        scope=entry.scope,
        tenant=entry.tenant,
        namespace=entry.namespace,
        epoch=entry.epoch,
        model=entry.model,
        prompt=entry.prompt or "",
        exact_only=entry.prompt is None,
        tags=entry.tags,
        cost_nanos=entry.cost_nanos,
        made_in_ms=entry.made_in_seconds * 1000,
    )
    _set_seconds(head.create_time, entry.created_at)
    _set_seconds(head.expire_time, entry.expires_at)
    if entry.semantic_expires_at:
        _set_seconds(head.semantic_expire_time, entry.semantic_expires_at)
    if entry.stale_until:
        _set_seconds(head.stale_expire_time, entry.stale_until)
    return head


def _set_seconds(stamp: Timestamp, seconds: float) -> None:
    whole = int(seconds // 1)
    stamp.seconds = whole
    stamp.nanos = min(round((seconds - whole) * 1e9), 999_999_999)


def _seconds(stamp: Timestamp) -> float:
    return stamp.seconds + stamp.nanos / 1e9


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
