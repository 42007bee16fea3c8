"""gRPC through Envoy: the same cache, with the key that HTTP clients have."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from synapse.cache.v1 import cache_pb2, outcome_pb2
from synapse.embed.v1 import embed_pb2, embed_pb2_grpc
from synapse.router.v1 import router_pb2, router_pb2_grpc
from tests.e2e.upstream import echo
from tests.envoy.clients import QUESTION, GrpcClient, text_of
from tests.support.envoy_server import Envoy

HIT, MISS = outcome_pb2.CACHE_STATUS_HIT, outcome_pb2.CACHE_STATUS_MISS


def test_a_question_is_answered_and_then_hits(grpc_client: GrpcClient) -> None:
    first, second = grpc_client.generate(), grpc_client.generate()
    assert [reply.outcome.status for reply in (first, second)] == [MISS, HIT]
    assert second.generation.choices[0].content == echo(QUESTION)


def test_a_stream_comes_as_it_is_made(grpc_client: GrpcClient) -> None:
    stream = grpc_client.stream(model="slow")
    began = [next(stream) for _ in range(5)]
    assert began[0].outcome.status == MISS
    assert text_of(began).startswith("w0 w1")
    assert "w199" not in text_of(began)
    stream.cancel()


def test_a_whole_stream_is_the_whole_answer(grpc_client: GrpcClient) -> None:
    assert text_of(list(grpc_client.stream())) == echo(QUESTION)


def test_embed_and_router_stand_behind_the_same_door(grpc_client: GrpcClient) -> None:
    embed: Any = embed_pb2_grpc.EmbedServiceStub(grpc_client.channel)
    router: Any = router_pb2_grpc.RouterServiceStub(grpc_client.channel)
    vectors = embed.Embed(embed_pb2.EmbedRequest(inputs=["tea"]), **grpc_client.options())
    assert len(vectors.embeddings[0].values) == 384
    models = router.ListModels(router_pb2.ListModelsRequest(), **grpc_client.options())
    assert "echo" in {model.id for model in models.models}


def test_a_backend_s_error_keeps_its_details(grpc_client: GrpcClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client.generate(model="fail/429")
    failed: Any = caught.value
    assert failed.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    found, retry = router_pb2.ProviderError(), error_details_pb2.RetryInfo()
    details = rpc_status.from_call(failed).details
    assert any(detail.Unpack(found) for detail in details)
    assert any(detail.Unpack(retry) for detail in details)
    assert (found.http_status, retry.retry_delay.seconds) == (429, 7)


def test_the_caller_s_deadline_is_kept(grpc_client: GrpcClient) -> None:
    request = cache_pb2.GenerateRequest()
    request.request.model = "slow"
    request.request.messages.add(role="user", text="Will you be late?")
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client.stub.Generate(request, **grpc_client.options(timeout=0.2))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_health_needs_no_key(envoy: Envoy) -> None:
    with grpc.insecure_channel(envoy.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_needs_a_key_and_knows_every_service(grpc_client: GrpcClient) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(grpc_client.channel)
    wanted = "synapse.embed.v1.EmbedService"
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=wanted)]
    (reply,) = stub.ServerReflectionInfo(iter(asked), **grpc_client.options())
    assert reply.file_descriptor_response.file_descriptor_proto
    with pytest.raises(grpc.RpcError) as caught:
        ProtoReflectionDescriptorDatabase(grpc_client.channel).get_services()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("method", ["/synapse.cache.v1.CacheService/Nothing", "/other.v1.Service/Do"])
def test_an_unknown_method_is_unimplemented(grpc_client: GrpcClient, method: str) -> None:
    call = grpc_client.channel.unary_unary(method, lambda message: message, lambda message: message)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", **grpc_client.options())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_link_between_services_is_not_offered(grpc_client: GrpcClient) -> None:
    link = grpc_client.channel.stream_stream("/synapse.mesh.v1.LinkService/Exchange")
    with pytest.raises(grpc.RpcError) as caught:
        list(link(iter(()), **grpc_client.options()))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
