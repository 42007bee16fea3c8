"""The canonical form of a question: the bytes under the exact key and under the scope.

It is protobuf's deterministic serialisation of the request with

- the fields that cannot change the answer taken out: `caller`; `protocol` where no unknown member depends on it;
- every `*_json` member rewritten with sorted member order and no white space;
- the two ways to say the same thing made one: one choice asked for or none said, a bare stop text or a list of one.

Fields that are not set take no part, so a field added to the protos later leaves the keys of older requests alone.
Unknown protobuf fields are kept by the serialisation and so are part of the key.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import orjson
from google.protobuf.descriptor import FieldDescriptor

from synapse.llm.v1.request_pb2 import GENERATION_KIND_CHAT, GENERATION_KIND_UNSPECIFIED, GenerationRequest

if TYPE_CHECKING:
    from google.protobuf.message import Message

_LONG_NUMBER = re.compile(r"\d{19}")


def canonical(request: GenerationRequest) -> GenerationRequest:
    """A copy of `request` in which equal questions are equal, whatever their member order."""
    copy = GenerationRequest()
    copy.CopyFrom(request)
    copy.ClearField("caller")
    if copy.kind == GENERATION_KIND_UNSPECIFIED:
        copy.kind = GENERATION_KIND_CHAT
    if copy.HasField("sampling"):
        _plain_sampling(copy)
    _sort_json(copy)
    if not copy.extra_json:
        copy.ClearField("protocol")
    return copy


def serialise(request: GenerationRequest) -> bytes:
    """The bytes of a request in canonical form."""
    return request.SerializeToString(deterministic=True)


def sorted_json(text: str) -> str:
    """`text` with sorted members and no white space; as it is when it is not JSON; empty for an empty object."""
    if _LONG_NUMBER.search(text):  # beyond what the fast parser keeps exactly
        try:
            return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        except ValueError:
            return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return "" if value == {} else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _plain_sampling(copy: GenerationRequest) -> None:
    sampling = copy.sampling
    sampling.ClearField("stop_is_text")
    if sampling.choice_count == 1:
        sampling.ClearField("choice_count")
    if not sampling.ListFields():
        copy.ClearField("sampling")


def _sort_json(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                _sort_json(inner)
        elif field.name.endswith("_json"):
            setattr(message, field.name, sorted_json(value))
