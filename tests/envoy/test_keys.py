"""Who may come in: the gateway's keys, in each protocol's own way of being refused."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synapse.cache.v1 import cache_pb2, thresholds_pb2
from synapse_runtime.identity import Identity, Role, TokenSigner
from tests.envoy.clients import GENERATE, STREAM, GrpcClient
from tests.envoy.conftest import ACME_KEY, OTHER_KEY, VIEWER_KEY
from tests.support.envoy_server import Envoy
from tests.support.mesh import MeshProcess

REFUSALS = {"": "No API key was given: send 'Authorization: Bearer KEY'.", "wrong": "The API key is not valid."}
each_refusal = pytest.mark.parametrize(("key", "told"), REFUSALS.items())


@each_refusal
def test_a_wrong_key_is_unauthenticated_in_grpc(envoy: Envoy, namespace: str, key: str, told: str) -> None:
    with GrpcClient(envoy.address, key, namespace) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate()
    failed: Any = caught.value
    assert (failed.code(), failed.details()) == (grpc.StatusCode.UNAUTHENTICATED, told)
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(failed).details[0].Unpack(info)
    assert (info.domain, info.reason) == ("synapse", "INVALID_API_KEY")


@each_refusal
@pytest.mark.parametrize("path", [GENERATE, STREAM, "/api/v1/nothing"])
def test_a_wrong_key_is_401_in_rest(envoy: Envoy, path: str, key: str, told: str) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    reply = httpx.post(f"{envoy.url}{path}", json={}, headers=headers, timeout=10)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/json"
    assert (reply.json()["code"], reply.json()["message"]) == (16, told)


def test_anthropic_s_header_is_a_key_too(envoy: Envoy) -> None:
    reply = httpx.get(f"{envoy.url}/api/v1/stats", headers={"x-api-key": VIEWER_KEY}, timeout=10)
    assert reply.status_code == 200


def test_no_service_sees_a_key(envoy: Envoy, mesh: MeshProcess, grpc_client: GrpcClient) -> None:
    grpc_client.generate("Who sees my key?")
    seen = "".join(file.read_text() for file in mesh.state.glob("logs/*.log")) + envoy.log.read_text()
    assert ACME_KEY not in seen


def test_an_identity_of_one_s_own_is_useless(envoy: Envoy, mesh: MeshProcess, namespace: str) -> None:
    """Even one that is signed with the mesh's secret: only what the gateway says of the key counts."""
    secret = json.loads((mesh.state / "config.json").read_text())["mesh"]["secret"]
    token = TokenSigner(secret).token(Identity("acme", "thief", Role.ADMIN))
    forged = [("x-synapse-identity", token), ("x-synapse-tenant", "acme"), ("x-synapse-subject", "acme")]
    with GrpcClient(envoy.address, "", namespace) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate("Am I in?", *forged)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with GrpcClient(envoy.address, OTHER_KEY, namespace) as other, pytest.raises(grpc.RpcError) as caught:
        other.stub.ResetThresholds(thresholds_pb2.ResetThresholdsRequest(tenant="acme"), **other.options(*forged))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_tenants_share_nothing_and_a_viewer_changes_nothing(
    envoy: Envoy, grpc_client: GrpcClient, namespace: str
) -> None:
    stored = grpc_client.generate("Whose answer is this?").outcome.entry_id
    for key, code in ((OTHER_KEY, grpc.StatusCode.NOT_FOUND), (VIEWER_KEY, grpc.StatusCode.PERMISSION_DENIED)):
        with GrpcClient(envoy.address, key, namespace) as client, pytest.raises(grpc.RpcError) as caught:
            client.stub.DeleteEntry(cache_pb2.DeleteEntryRequest(id=stored), **client.options())
        assert caught.value.code() == code
