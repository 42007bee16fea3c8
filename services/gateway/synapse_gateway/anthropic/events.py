"""The server-sent events of Anthropic's streams, as bytes."""

from __future__ import annotations

from typing import Any

import orjson

from synapse_runtime import jsontext

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
CLOSE = b"}}\n\n"
"""What stands behind the value of a delta."""
_OPENINGS = {
    "text_delta": b'"text_delta","text":',
    "thinking_delta": b'"thinking_delta","thinking":',
    "signature_delta": b'"signature_delta","signature":',
    "input_json_delta": b'"input_json_delta","partial_json":',
    "citations_delta": b'"citations_delta","citation":',
}


def event(name: str, members: dict[str, Any]) -> bytes:
    """An event of any kind."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), jsontext.encode({"type": name, **members}))


def block_stop(index: int) -> bytes:
    """The end of the block `index`."""
    return b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % index


def delta_opening(index: int, kind: str) -> bytes:
    """What stands before the value of a delta of the block `index`."""
    head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
    return head % index + _OPENINGS[kind]


def delta(opening: bytes, value: object) -> bytes:
    """A delta whose value is a text or another JSON value."""
    return opening + (orjson.dumps(value) if isinstance(value, str) else jsontext.encode(value)) + CLOSE
