"""JSON text inside canonical messages: read it, put it back at its place, never let it override what is known.

Integers keep their value, member order is kept, and texts of whole members (schemas, metadata, biases) travel
verbatim once they were seen to be JSON.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson

from synapse_runtime import jsontext
from synapse_runtime.errors import InvalidArgument

JsonObject: TypeAlias = dict[str, Any]


def text_of(value: Any) -> str:
    """`value` as JSON text."""
    return jsontext.dump(value)


def parse(text: str, field: str) -> Any:
    """The value of the JSON `text`; raises InvalidArgument naming `field`."""
    try:
        return jsontext.load(text)
    except ValueError as error:
        raise InvalidArgument(f"{field} is not JSON: {error}", metadata={"field": field}) from error


def parse_object(text: str, field: str) -> JsonObject:
    """The JSON object in `text`; raises InvalidArgument naming `field` for anything else."""
    value = parse(text, field)
    if not isinstance(value, dict):
        raise InvalidArgument(f"{field} must be a JSON object", metadata={"field": field})
    return value


def verbatim(text: str, field: str) -> orjson.Fragment:
    """The JSON `text` for use inside a larger value, byte for byte; raises InvalidArgument when it is not JSON."""
    parse(text, field)
    return orjson.Fragment(text)


def schema_in(json_schema: str) -> JsonObject:
    """The schema inside of OpenAI's member `json_schema`; raises InvalidArgument when there is none."""
    field = "response_format.json_schema"
    schema = parse_object(json_schema, field).get("schema")
    if not isinstance(schema, dict):
        raise InvalidArgument(f"{field}.schema must be a JSON object", metadata={"field": f"{field}.schema"})
    return schema


def adopt(target: JsonObject, extra_json: str, field: str) -> None:
    """Add the members of the object `extra_json` that `target` lacks; objects on both sides are merged likewise."""
    if extra_json:
        _fill(target, parse_object(extra_json, field))


def _fill(target: JsonObject, extra: JsonObject) -> None:
    for name, value in extra.items():
        if name not in target:
            target[name] = value
        elif isinstance(value, dict) and isinstance(known := target[name], dict):
            _fill(known, value)
