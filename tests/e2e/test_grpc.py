"""The gRPC face of the cache: any gRPC client with a token gets the same cache as the SDKs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from synapse.cache.v1 import cache_pb2, cache_pb2_grpc, outcome_pb2
from synapse.llm.v1 import request_pb2
from tests.e2e.asking import Asker
from tests.e2e.upstream import echo
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
SERVICE = "synapse.cache.v1.CacheService"


@pytest.fixture(scope="module")
def token(mesh_double: MeshProcess) -> str:
    command = [sys.executable, "-m", "synapse_standalone", "token", "--state", str(mesh_double.state)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@pytest.fixture(scope="module")
def channel(mesh_double: MeshProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh_double.endpoint.grpc) as channel:
        yield channel


class Cache:
    """A bare client of CacheService in one namespace."""

    def __init__(self, channel: grpc.Channel, token: str, namespace: str) -> None:
        self._stub: Any = cache_pb2_grpc.CacheServiceStub(channel)
        self._options: Any = {"metadata": [("x-synapse-identity", token)] if token else [], "timeout": 20}
        self._control = outcome_pb2.CacheControl(namespace=namespace)

    def generate(self, text: str, model: str = "echo") -> tuple[cache_pb2.GenerateResponse, dict[str, Any]]:
        request = cache_pb2.GenerateRequest(request=question(text, model), control=self._control)
        reply, call = self._stub.Generate.with_call(request, **self._options)
        return reply, dict(call.trailing_metadata())

    def stream(self, text: str, model: str = "echo") -> list[cache_pb2.StreamGenerateResponse]:
        request = cache_pb2.StreamGenerateRequest(request=question(text, model), control=self._control)
        return list(self._stub.StreamGenerate(request, **self._options))


def question(text: str, model: str) -> request_pb2.GenerationRequest:
    request = request_pb2.GenerationRequest(
        model=model, kind=request_pb2.GENERATION_KIND_CHAT, protocol=request_pb2.PROTOCOL_OPENAI
    )
    request.messages.add(role="user", text=text)
    return request


@pytest.fixture
def cache(channel: grpc.Channel, token: str, namespace: str) -> Cache:
    return Cache(channel, token, namespace)


def text_of(messages: list[cache_pb2.StreamGenerateResponse]) -> str:
    return "".join(delta.content for message in messages for event in message.events for delta in event.deltas)


def test_generate_answers_and_then_hits(cache: Cache) -> None:
    (first, _), (second, told) = cache.generate(QUESTION), cache.generate(QUESTION)
    assert first.outcome.status == outcome_pb2.CACHE_STATUS_MISS
    assert second.outcome.status == outcome_pb2.CACHE_STATUS_HIT
    assert second.outcome.tier == outcome_pb2.CACHE_TIER_L1
    assert second.generation == first.generation
    assert second.generation.choices[0].content == echo(QUESTION)
    assert told["x-synapse-cache-status"] == "HIT-L1"


def test_a_stream_tells_its_outcome_first_and_the_same_text(cache: Cache) -> None:
    first, second = cache.stream(QUESTION), cache.stream(QUESTION)
    assert [messages[0].outcome.status for messages in (first, second)] == [
        outcome_pb2.CACHE_STATUS_MISS,
        outcome_pb2.CACHE_STATUS_HIT,
    ]
    assert text_of(first) == text_of(second) == echo(QUESTION)


def test_rest_and_grpc_share_one_cache(cache: Cache, ask: Asker) -> None:
    ask(QUESTION)
    by_key, by_meaning = cache.generate(QUESTION)[0], cache.generate("Can you tell me the capital of France?")[0]
    assert by_key.outcome.tier == outcome_pb2.CACHE_TIER_L1
    assert by_meaning.outcome.tier == outcome_pb2.CACHE_TIER_L2
    assert by_meaning.generation.choices[0].content == echo(QUESTION)


@pytest.mark.parametrize("wrong", ["", "forged.token"])
def test_without_a_signed_token_nothing_is_answered(channel: grpc.Channel, namespace: str, wrong: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        Cache(channel, wrong, namespace).generate(QUESTION)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_backend_s_error_carries_rich_details(cache: Cache) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        cache.generate(QUESTION, model="fail/429")
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    failed: Any = caught.value
    status = rpc_status.from_call(failed)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(retry) for detail in status.details)
    assert (info.domain, info.reason) == ("synapse", "PROVIDER_ERROR")
    assert retry.retry_delay.seconds == 7


def test_a_request_without_a_model_is_invalid(cache: Cache) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        cache.generate(QUESTION, model="")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_is_served(channel: grpc.Channel, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
    reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_describes_the_service(channel: grpc.Channel) -> None:
    described = ProtoReflectionDescriptorDatabase(channel)
    assert SERVICE in described.get_services()
    file = described.FindFileContainingSymbol(SERVICE)
    assert {method.name for method in file.service[0].method} >= {"Generate", "StreamGenerate", "GetStats"}
