"""Secrets in the protobuf form of the Kubernetes API, in which newer Helms store their releases: read, never written."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

_MAGIC = b"k8s\0"


def is_protobuf(body: bytes) -> bool:
    """Whether `body` has the envelope of Kubernetes' protobuf."""
    return body.startswith(_MAGIC)


def secret(body: bytes) -> dict[str, Any]:
    """The Secret in an envelope, as its JSON would be: field numbers are those of the API's published .proto files."""
    [raw] = [value for number, value in _fields(body.removeprefix(_MAGIC)) if number == 2]
    found: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": {}}, "data": {}}
    for number, value in _fields(raw):
        if number == 1:
            found["metadata"] |= _metadata(value)
        elif number == 2:
            key, content = _pair(value)
            found["data"][key.decode()] = base64.b64encode(content).decode()
        elif number == 3:
            found["type"] = value.decode()
    return found


def _metadata(raw: bytes) -> dict[str, Any]:
    labels: dict[str, str] = {}
    found: dict[str, Any] = {"labels": labels}
    for number, value in _fields(raw):
        if number == 1:
            found["name"] = value.decode()
        elif number == 3:
            found["namespace"] = value.decode()
        elif number == 11:
            name, label = _pair(value)
            labels[name.decode()] = label.decode()
    return found


def _pair(raw: bytes) -> tuple[bytes, bytes]:
    """Key and value of a map's entry."""
    members = dict(_fields(raw))
    return members.get(1, b""), members.get(2, b"")


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the fields that have a length; numbers are passed over."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        value, at = _varint(raw, at)
        if tag & 7 == 2:
            yield tag >> 3, raw[at : at + value]
            at += value


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while raw[at] & 0x80:
        value |= (raw[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | raw[at] << shift, at + 1
