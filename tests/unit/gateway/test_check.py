"""What Envoy is told about a caller."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from synapse_gateway.check import Check
from synapse_gateway.keys import KeyRing
from synapse_gateway.metrics import Metrics
from synapse_gateway.settings import GatewaySettings
from synapse_runtime.identity import Identity, Role, TokenSigner, TokenVerifier

KEYS = [
    {"key": "sk-a", "tenant": "acme", "name": "ci", "role": "operator", "models": ["gpt-4o"]},
    {"key": "sk-odd", "tenant": "acme", "name": "zoë\r\nx-evil: 1"},
]


async def asked(headers: dict[str, str], path: str = "/check/synapse.cache.v1.CacheService/Generate") -> httpx.Response:
    check = Check(KeyRing(GatewaySettings.model_validate({"keys": KEYS}), lambda: 0.0), TokenSigner("s"), Metrics())
    transport: Any = httpx.ASGITransport(check)
    async with httpx.AsyncClient(transport=transport, base_url="http://check") as client:
        return await client.post(path, headers=headers)


@pytest.mark.parametrize("headers", [{"authorization": "Bearer sk-a"}, {"x-api-key": "sk-a"}])
async def test_a_known_key_gets_its_signed_identity(headers: dict[str, str]) -> None:
    reply = await asked(headers)
    known = TokenVerifier("s").identity(reply.headers["x-synapse-identity"])
    assert (reply.status_code, known) == (200, Identity("acme", "ci", Role.OPERATOR, ("gpt-4o",)))
    assert (reply.headers["x-synapse-tenant"], reply.headers["x-synapse-subject"]) == ("acme", "ci")


async def test_a_callers_own_identity_header_counts_for_nothing() -> None:
    reply = await asked({"x-synapse-identity": TokenSigner("other").token(Identity("acme", "ci", Role.ADMIN))})
    assert reply.status_code == 401
    assert "x-synapse-identity" not in reply.headers


async def test_a_refusal_of_grpc_is_a_text_with_the_statuss_details() -> None:
    reply = await asked({"authorization": "Bearer sk-b"})
    packed = reply.headers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (reply.status_code, reply.text) == (401, "The API key is not valid.")
    assert (status.code, status.message, info.reason) == (16, reply.text, "INVALID_API_KEY")


async def test_a_refusal_of_rest_is_a_status_in_json() -> None:
    reply = await asked({}, "/check/api/v1/thresholds/tenants/a.b/c")
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert reply.json()["code"] == 16
    assert reply.json()["details"][0]["reason"] == "INVALID_API_KEY"


async def test_a_keys_name_cannot_forge_headers() -> None:
    reply = await asked({"x-api-key": "sk-odd"})
    assert reply.headers["x-synapse-subject"] == "zo\\xeb\\r\\nx-evil: 1"
    assert "x-evil" not in reply.headers


async def test_other_paths_are_not_there() -> None:
    assert (await asked({"x-api-key": "sk-a"}, "/v1/models")).status_code == 404
