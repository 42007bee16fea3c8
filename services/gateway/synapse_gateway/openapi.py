"""The OpenAPI document: FastAPI's own routes, the endpoints of the protocols, and the admin API out of the protos."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from synapse_gateway.asking import ROUTE, asks
from synapse_gateway.lines import TYPES as LINES
from synapse_gateway.streams import EVENTS
from synapse_gateway.transcoding import Binding, RestMap

try:
    VERSION = version("synapse-mesh")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0"

_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Duration": {"type": "string", "example": "3.5s"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object"},
}
_GENERATING = {
    "/v1/chat/completions": ("Answer a conversation, from the cache where that is safe.", ["model", "messages"]),
    "/v1/completions": ("Complete a text, from the cache where that is safe.", ["model", "prompt"]),
    "/v1/messages": ("Answer a conversation, in Anthropic's form.", ["model", "max_tokens", "messages"]),
    "/v1/messages/count_tokens": ("Count the tokens of a prompt, in Anthropic's form.", ["model", "messages"]),
    "/v1/responses": ("Answer a conversation, in the form of responses.", ["model", "input"]),
    "/v1/responses/input_tokens": ("Count the tokens of a prompt, in the form of responses.", ["model", "input"]),
    "/v1/rerank": ("Rank documents by how well they answer a query.", ["model", "query", "documents"]),
    "/v1/embeddings": ("Turn texts into vectors.", ["model", "input"]),
}


def describe(app: FastAPI, rest: RestMap) -> None:
    """Let `app` serve the whole document; it is made once, when it is first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, rest)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI, rest: RestMap) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    paths = made.setdefault("paths", {})
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"key": []}]
    for path, (summary, required) in _GENERATING.items():
        paths[path] = {"post": _generating(_vendor(path), summary, required)}
    for binding in rest.bindings:
        paths.setdefault(binding.template, {})[binding.verb.lower()] = _operation(binding, schemas)
    return made


def _vendor(path: str) -> str:
    return "anthropic" if path.startswith("/v1/messages") else "openai"


def _generating(vendor: str, summary: str, required: list[str]) -> dict[str, Any]:
    body = {"type": "object", "required": required, "additionalProperties": True}
    return {
        "tags": [vendor],
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "As the vendor's API answers; the headers tell what the cache did."}},
    }


def _operation(binding: Binding, schemas: dict[str, Any]) -> dict[str, Any]:
    answer = _contents(binding.rpc.output_type, binding.response_body, schemas, many=binding.rpc.server_streaming)
    if binding.rpc.server_streaming:
        answer[EVENTS] = {"schema": answer["application/json"]["schema"]["items"]}
    made: dict[str, Any] = {
        "tags": [ROUTE if asks(binding) else "admin"],
        "operationId": f"{binding.rpc.containing_service.name}_{binding.rpc.name}_{binding.verb}",
        "summary": f"{binding.rpc.containing_service.name}.{binding.rpc.name}",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in binding.variables
        ],
        "responses": {"200": {"description": "The RPC's reply.", "content": answer}},
    }
    if binding.body:
        field = binding.body if binding.rpc.client_streaming else "*"
        content = _contents(binding.rpc.input_type, field, schemas, many=binding.rpc.client_streaming)
        made["requestBody"] = {"required": True, "content": content}
    return made


def _contents(kind: Descriptor, field: str, schemas: dict[str, Any], *, many: bool) -> dict[str, Any]:
    """A body by media type: a message, or one field of it; many of them come as lines or as an array."""
    one = _reference(kind, schemas) if field in {"", "*"} else _schema(kind.fields_by_name[field], schemas)
    if not many:
        return {"application/json": {"schema": one}}
    lines = {name: {"schema": one} for name in LINES}
    return {"application/json": {"schema": {"type": "array", "items": one}}, **lines}


def _reference(kind: Descriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if kind.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[kind.full_name]
    if kind.full_name not in schemas:
        schemas[kind.full_name] = {}  # before its fields: messages may hold their own kind
        members = {field.name: _schema(field, schemas) for field in kind.fields}
        schemas[kind.full_name] = {"type": "object", "properties": members, "additionalProperties": False}
    return {"$ref": f"#/components/schemas/{kind.full_name}"}


def _schema(field: FieldDescriptor, schemas: dict[str, Any]) -> dict[str, Any]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _schema(field.message_type.fields_by_name["value"], schemas)}
    if field.message_type is not None:
        one = _reference(field.message_type, schemas)
    elif field.enum_type is not None:
        one = {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    else:
        one = _SCALARS[field.cpp_type]
    return {"type": "array", "items": one} if field.is_repeated else one
